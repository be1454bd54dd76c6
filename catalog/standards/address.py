"""Postal addresses, as Chinese offices write them: from the province down to the room."""

from __future__ import annotations

import re
from functools import lru_cache, partial

import pyarrow as pa
import pyarrow.compute as pc

from catalog.standards.base import Agreement, Comparison, Element, Invalid
from catalog.standards.columns import matching
from catalog.standards.hiding import forms, generalised, hide, keeping, series
from catalog.standards.likeness import plain
from catalog.standards.spelling import HAN, LETTER, arabic, compact, tidy
from core.types import Level, Text

SHORTEST, LONGEST = 3, 200
_HIDDEN = 8

# Canonical spelling: 号 for 號, 栋 for every word for a building, 室 for every word for a room.
_CHARACTERS = str.maketrans("號棟層單﹣‐‑‒–—―−~～", "号栋层单----------")
_NUMERAL = "0-9A-Za-z一二三四五六七八九十"
_BUILDING = re.compile(f"(?<=[{_NUMERAL}])(?:[号#栋幢座]楼|[幢座橦])")
_ROOM = re.compile("(?<=[0-9A-Za-z])(?:号?房间?|号室)(?![产屋东管地])")
_BLANK_BETWEEN_NUMBERS = re.compile(r"(?<=[0-9])\s+(?=[0-9])")
_COMMAS = re.compile("[,，;；]+")
_LOOSE_COMMA = re.compile("(?<![0-9]),|,(?![0-9])")
_ODD = re.compile(f"[^0-9A-Za-z{HAN}]|[號棟層單]")
_OLD_SPELLINGS = "[幢座橦房號棟層單]|号楼|号室|[#栋]楼"

# Divisions by their closing words. A name never holds the closing word of a road or village,
# unless that of the division follows at once (丰镇市, 二道区), or the pattern would reach into
# the address proper; and what follows a closing word may show that it is none (市民广场).
_PROVINCE = re.compile(f"[{HAN}]{{2,3}}省|[{HAN}]{{2,6}}?自治区|[{HAN}]{{2}}特别行政区")
_CITY = re.compile(
    f"(?:[{HAN}]城市|(?:(?![路街道村区县省])[{HAN}]){{2,10}}?(?:自治州|地区|盟|(?<!城)市))"
    "(?![区县场政委]|民[政广中服]|大?街)(?:市辖区)?"
)
_COUNTY = re.compile(
    f"(?:[{HAN}]城市|[{HAN}](?:(?![巷号弄]|[村路街镇](?![区县市回])|道(?!江?区))[{HAN}]){{0,16}}?"
    "(?:(?<![小社业宅校厂库景片])(?<!业园)(?<!技园)区|县|旗|(?<!城)市))"
    "(?![区县市场城前府委政道路街])"
)
_TOWN = re.compile(
    f"[{HAN}](?:(?![路村号])[{HAN}]){{0,8}}?(?:街道(?:办事处|办)?|镇|乡|苏木)"
    "(?![镇乡路街]|[东西南北中前后][路街]|政府)"
)
_COMMUNITY = re.compile(
    f"(?:(?![路号])[{HAN}]){{1,12}}?"
    "(?:社区(?:居委会|居民委员会)?|居委会|居民委员会|村委会|村民委员会|行政村)"
)

_REMARK = re.compile(r"\([^()]*\)")
_CHINESE_NUMBER = re.compile(
    "[〇零一二三四五六七八九十百]+(?=[栋单室号楼层巷组队])|(?<=之)[一二三四五六七八九十]+"
)
_LEADING_ZEROS = re.compile("(?<![0-9])0+(?=[0-9])")
_FLOOR = re.compile("(?<=[0-9])[楼层]")
_NUMBER_WORDS = re.compile("(?<=[0-9A-Z])(?:号|栋|单元|单|室|户|#|-|之|,)+")
_OTHER = re.compile(f"[^{HAN}]")
_NUMBERS = re.compile("[0-9]+")
_HOUSE = re.compile("[^0-9]*[^0-9-]-?[0-9]+[A-Z]?")
# Ideographs, and a number with what may follow one: Arrow's RE2 reads it.
_WORDS = ("号", "栋", "单元", "单", "室", "户", "#", "之", ",")
_USUAL = f"^(?P<start>[{HAN}]+)(?P<rest>[0-9A-Z](?:[0-9A-Z-]|{'|'.join(_WORDS)})*)$"
_ZEROS_BEFORE = "(?:^|[^0-9])0[0-9]"
_SEVERAL = "[0-9][^0-9]+[0-9]"
_DASHED = re.compile("-?[0-9A-Z]+(?:-[0-9A-Z]*)*$")
_ROAD = re.compile(f"[{HAN}A-Za-z ]+")
# So many numbers (house, building, room) tell a place even without its town.
_TELLING = 2


def _after(pattern: re.Pattern[str], text: str) -> str:
    """``text`` without what ``pattern`` finds at its start, unless that is all of it."""
    found = pattern.match(text)
    return text[found.end() :] if found and found.end() < len(text) else text


def _in_digits(text: str) -> str:
    return _CHINESE_NUMBER.sub(lambda found: arabic(found[0]), text)


# Of the ideographs that an address starts with: there are far fewer of them than of addresses.
# No division, nor what has to follow it, reaches beyond them; ``more`` tells whether anything
# does, and any character that is no ideograph can stand for it.
@lru_cache(maxsize=1 << 14)
def _below_county(start: str, more: bool) -> str:
    text = start + "0" * more
    for pattern in (_PROVINCE, _CITY, _COUNTY):
        text = _after(pattern, text)
    return _in_digits(text.removesuffix("0"))


@lru_cache(maxsize=1 << 14)
def _below_community(start: str, more: bool) -> str:
    text = start + "0" * more
    return _after(_COMMUNITY, _after(_TOWN, text))[: -1 if more else None]


def gist(address: str) -> str:
    """What full and shortened forms of an address share: no province, city and district; town
    and community only where the rest tells too little; bare numbers for house, building and
    room. 桂城街道南桂东路10号3栋501室 → 南桂东路10-3-501.
    """
    text = (_REMARK.sub("", address) or address).upper() if "(" in address else address.upper()
    end = _OTHER.search(text)
    start, rest = (text[: end.start()], _in_digits(text[end.start() :])) if end else (text, "")
    start = _below_county(start, bool(rest))
    if len(_NUMBERS.findall(start + rest)) >= _TELLING:
        start = _below_community(start, bool(rest))
    text = _FLOOR.sub("F-", _LEADING_ZEROS.sub("", start + rest))
    return _NUMBER_WORDS.sub("-", text).strip("-") or address


def _gists(texts: pa.StringArray) -> pa.StringArray:
    """The gists of the usual ones, null for all others. Starts are looked at one by one: there are
    far fewer of them than of addresses.
    """
    found = pc.extract_regex(pc.utf8_upper(texts), _USUAL)
    starts = pc.struct_field(found, "start").dictionary_encode()
    rest = pc.struct_field(found, "rest")
    county = [_below_county(start, True) for start in starts.dictionary.to_pylist()]
    below = [[c, _below_community(c, True)] for c in county]
    short, shorter = (
        pa.array([names[place] for names in below], pa.string()).take(starts.indices)
        for place in range(2)
    )
    start = pc.if_else(pc.match_substring_regex(rest, _SEVERAL), shorter, short)
    unusual = pc.or_(
        pc.match_substring_regex(start, "[0-9]"), pc.match_substring_regex(rest, _ZEROS_BEFORE)
    )
    for word in _WORDS:
        rest = pc.replace_substring(rest, word, "-")
    while pc.any(pc.match_substring(rest, "--")).as_py():
        rest = pc.replace_substring(rest, "--", "-")
    gists = pc.binary_join_element_wise(start, pc.utf8_rtrim(rest, "-"), "")
    return pc.if_else(unusual, None, gists)


_gist = lru_cache(maxsize=64)(gist)


def _local(address: str) -> str:
    return _after(_COMMUNITY, _after(_TOWN, _gist(address)))


def road(address: str) -> str | None:
    """Road or village, without division and numbers; None where there is none."""
    found = _ROAD.search(_DASHED.sub("", _local(address)))
    return found[0] if found else None


def house(address: str) -> str | None:
    """Road or village and the first number: without building and room."""
    found = _HOUSE.match(_local(address))
    return found[0] if found else None


_LEVELS = {
    "province": _PROVINCE, "city": _CITY, "district": _COUNTY, "town": _TOWN,
    "community": _COMMUNITY,
}  # fmt: skip


def division(address: str, level: str = "town") -> str:
    """The address down to a level (district or town), as far as its words tell; asterisks stand
    for the rest.
    """
    end, names = 0, list(_LEVELS)
    for pattern in map(_LEVELS.__getitem__, names[: names.index(level) + 1]):
        found = pattern.match(address, end)
        end = found.end() if found else end
    return address[:end] + "****"


class Address(Element):
    """An address without blanks, with one word each for number, building and room."""

    code = "address"
    title = Text(zh="地址", en="Address")
    level = Level.L3
    personal = True
    comparison = Comparison(
        levels=(
            Agreement("exact", "equal"),
            Agreement("same_place", "equal", "gist"),
            Agreement("same_house", "equal", "house"),
            Agreement("close", "jaro_winkler", "gist", bound=0.92),
            Agreement("same_road", "equal", "road"),
        ),
        features={
            "gist": lambda address: plain(_gist(address)),
            "house": house,
            "road": road,
        },
        blocking=("gist",),
        gathers=True,
    )
    masks = forms(
        partial=lambda value: value[:-_HIDDEN] + hide(value[-_HIDDEN:]), division=division
    )
    families = series(
        keep=keeping(masks["partial"]),
        division=generalised({level: partial(division, level=level) for level in _LEVELS}),
    )
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The address in canonical spelling; one that is masked already is no address."""
        address = compact(_BLANK_BETWEEN_NUMBERS.sub("-", tidy(text)))
        if _ODD.search(address):
            address = _COMMAS.sub(",", address.translate(_CHARACTERS))
            address = compact(_LOOSE_COMMA.sub("", address))
        address = _ROOM.sub("室", _BUILDING.sub("栋", address))
        if not SHORTEST <= len(address) <= LONGEST:
            raise Invalid("flaw_length")
        if "*" in address or not LETTER.search(address):
            raise Invalid("flaw_characters")
        return address

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Addresses of ideographs, letters and digits in today's spelling."""
        plain = matching(texts, f"[{HAN}][0-9A-Za-z{HAN}-]{{2}}[0-9A-Za-z{HAN}-]*", LONGEST)
        return pc.and_not(plain, pc.match_substring_regex(texts, _OLD_SPELLINGS))

    def gist(self, value: str) -> str:
        """What full and shortened forms of the address share."""
        return gist(value)

    def gists(self, values: pa.StringArray) -> pa.StringArray:
        """As :meth:`gist`; of usual addresses, worked out together."""
        gists = _gists(values)
        rest = super().gists(values.filter(pc.is_null(gists)))
        return pc.replace_with_mask(gists, pc.is_null(gists), rest)

    def tells(self, gist: str) -> tuple[str, ...]:
        """Road and numbers; without room, without building; and where the town is told, what tells
        all but that.
        """
        own = _after(_COMMUNITY, _after(_TOWN, gist))
        less = [] if own == gist else [own]
        rest, dash, _ = own.rpartition("-")
        while dash and _HOUSE.match(rest):
            less.append(rest)
            rest, dash, _ = rest.rpartition("-")
        return own, *less
