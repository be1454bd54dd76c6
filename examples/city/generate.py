"""Makes the example city: what is true, and what eight departments hold of it.

Run as ``python examples/city/generate.py --out DIR``; the same seed makes the same city. The
truth lies in ``DIR/truth``, addresses and tokens in ``DIR/secrets``.
"""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path

import city as truth
import numpy as np
import psycopg
import writers
from city import City
from departments import all_holdings
from holdings import Holding
from identifiers import Column
from population import Table

_RESIDENTS = """person_no bigint PRIMARY KEY, id_no varchar(20), name varchar(40), sex char(1),
    birth_date date, ethnicity char(2), marital char(2), mobile varchar(20), address varchar(200),
    grid_code varchar(15), household_id varchar(20), relation char(2), life_status varchar(10),
    updated_on date"""
_HOUSEHOLDS = """household_id varchar(20) PRIMARY KEY, head_name varchar(40), head_id varchar(20),
    address varchar(200), grid_code varchar(15), members integer, updated_on date"""


def main() -> None:
    """Reads the command line and makes the city."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--residents", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--police-url", help="PostgreSQL database to fill for the police")
    parser.add_argument("--noise", type=float, default=1.0, help="how often the usual errors occur")
    options = parser.parse_args()
    if options.residents < 100:
        parser.error("--residents: a city has at least 100")
    if not 0 <= options.noise <= 10:
        parser.error("--noise: from 0 to 10")
    try:
        lines = generate(
            options.out, options.residents, options.seed, options.police_url, options.noise
        )
    except psycopg.Error as error:
        # Its words may hold the address, and with it the password.
        parser.error(f"--police-url: the database refuses ({type(error).__name__})")
    except OSError as error:
        parser.error(f"--out: {error.strerror}")
    print("\n".join(lines))


def generate(
    out: Path, residents: int, seed: int, police_url: str | None, noise: float = 1.0
) -> list[str]:
    """Writes everything and returns one line per table: dataset and number of rows."""
    rng = np.random.default_rng(seed)
    city = truth.build(Path(__file__).parent / "regions.yaml", residents, rng, noise)
    holdings = {holding.dataset: holding for holding in all_holdings(city, rng)}
    write_truth(city, holdings, out / "truth")
    write_files(holdings, out)
    write_shown(city, out / "show")
    keep_secret(out / "secrets" / "market_token", secrets.token_urlsafe(24))
    if police_url is not None:
        residents_table = (holdings["police.residents"], _RESIDENTS)
        households_table = (holdings["police.households"], _HOUSEHOLDS)
        tables = {"residents": residents_table, "households": households_table}
        writers.write_postgres(police_url, tables)
        keep_secret(out / "secrets" / "police_url", police_url)
    return [f"{dataset} {holding.rows}" for dataset, holding in holdings.items()]


def write_files(holdings: dict[str, Holding], out: Path) -> None:
    """Every table but the police's, which lie in their database."""
    writers.write_csv(
        holdings["social_security.contributions"], out / "social_security/contributions.csv", "gbk"
    )
    writers.write_excel(
        holdings["civil_affairs.families"],
        out / "civil_affairs/families.xlsx",
        title="清澜区困难家庭成员及婚姻登记人员名册（截至2026年6月30日）",
        footer="填表说明：本表由民政局社会救助科汇总",
    )
    writers.write_sqlite(holdings["housing.dwellings"], out / "housing/dwellings.db", "dwellings")
    writers.write_json(holdings["market.enterprises"], out / "market/enterprises.json")
    writers.write_csv(holdings["traffic.vehicles"], out / "traffic/vehicles.csv", "utf-8-sig")
    writers.write_jsonl(holdings["housing_fund.accounts"], out / "housing_fund/accounts.jsonl")
    writers.write_parquet(holdings["tax.incomes"].columns, out / "tax/incomes.parquet")
    writers.write_parquet(holdings["tax.enterprises"].columns, out / "tax/enterprises.parquet")


def write_truth(city: City, holdings: dict[str, Holding], folder: Path) -> None:
    """The golden records, the households made to be clear cases, and what every row is about."""
    for subject, table in truth.truth(city).items():
        writers.write_parquet(table, folder / f"{subject}.parquet")
    writers.write_parquet(truth.cases(city), folder / "cases.parquet")
    parts: dict[str, list[Column]] = {"dataset": [], "row": [], "subject": [], "truth_id": []}
    for dataset, holding in holdings.items():
        for subject, ids in holding.about.items():
            parts["dataset"].append(np.full(len(ids), dataset, dtype=object))
            parts["row"].append(np.arange(1, len(ids) + 1))
            parts["subject"].append(np.full(len(ids), subject, dtype=object))
            parts["truth_id"].append(ids)
    records: Table = {name: np.concatenate(columns) for name, columns in parts.items()}
    writers.write_parquet(records, folder / "records.parquet")


def write_shown(city: City, folder: Path) -> None:
    """Whom the demonstration asks about: the head of the first household, and three households
    that are clearly eligible, clearly not, and near the line.
    """
    keep_secret(folder / "resident", str(city.people["resident_id"][0]))
    cases = truth.cases(city)
    for number, case in enumerate(("eligible", "rich", "margin"), start=1):
        place = list(cases["case"]).index(case)
        keep_secret(folder / f"household_{number}", str(cases["household_id"][place]))


def keep_secret(file: Path, text: str) -> None:
    """Writes a file that only its owner may read."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
