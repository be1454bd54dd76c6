#!/bin/sh
# The whole way on real input: sh walk.sh HUB FOLDER, where FOLDER holds mca/ and stats/.
set -eu
hub=$1
here=$(dirname "$0")
"$hub" apply "$here" --data "$2"
"$hub" run
"$hub" conflicts list division --limit 10
"$hub" conflicts list division --attribute name
echo 110101 | "$hub" query division --as registry --purpose registry --case R-1 --where code=-
"$hub" audit verify
