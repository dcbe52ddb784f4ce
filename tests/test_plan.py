"""The numbering plan: what is a full number, a service, an extension, by country and without one."""

import subprocess
import sys

import pytest

from sipstream.plan import Plan, Sort, code_of

FULL, SERVICE, OTHER, NAME = Sort.FULL, Sort.SERVICE, Sort.OTHER_NUMBER, Sort.NAME


@pytest.mark.parametrize(
    ("user", "region", "sort"),
    [
        ("5660066", "IS", FULL),
        ("566-0066", "IS", FULL),
        ("+3545660066", "IS", FULL),
        ("003545660066", "IS", FULL),
        ("3545660066", "IS", FULL),
        ("442079460000", "IS", FULL),
        ("+442079460000", "IS", FULL),
        ("1502", "IS", OTHER),
        ("566006", "IS", OTHER),
        ("0221234567", "IS", OTHER),
        ("1234567890123456", "IS", OTHER),
        ("*21*5660066#", "IS", OTHER),
        ("112", "IS", SERVICE),
        ("1819", "IS", SERVICE),
        ("alice", "IS", NAME),
        ("", "IS", NAME),
        ("٣٣٣٣٣٣٣", "IS", NAME),
        ("02079460000", "GB", FULL),
        ("2079460000", "GB", FULL),
        ("999", "GB", SERVICE),
        ("5551234", "US", OTHER),
        ("2125551234", "US", FULL),
        ("911", "US", SERVICE),
        # Where no country is known
        ("5660066", "", FULL),
        ("566006", "", FULL),
        ("56600", "", OTHER),
        ("1502", "", OTHER),
        ("+6834002", "", FULL),
        ("+150215", "", OTHER),
        ("123456789012345", "", FULL),
        ("1234567890123456", "", OTHER),
        ("112", "", SERVICE),
        ("999", "", OTHER),
        ("anonymous", "", NAME),
    ],
)
def test_what_a_user_part_is(user: str, region: str, sort: Sort) -> None:
    assert Plan(region=region).sort(user) is sort


def test_a_country_code_says_which_country_it_is() -> None:
    assert Plan("354").sort("1234567") is OTHER
    assert Plan().sort("1234567") is FULL
    assert Plan("354").sort("1819") is SERVICE


def test_a_region_has_a_country_code() -> None:
    assert [code_of(one) for one in ("IS", "US", "XX", "")] == ["354", "1", "", ""]


def test_the_library_is_imported_when_it_is_asked() -> None:
    program = (
        "import sys; import sipstream.settings, sipstream.shell.console; from sipstream.plan import Plan;"
        "Plan('', '0', '').sort('1502'); assert 'phonenumbers' not in sys.modules;"
        "Plan('', '0', 'IS').sort('1502'); assert 'phonenumbers' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
