"""The certificates that prove RDS's databases: those of the pinned package, three of each region, good for long."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from infra import authorities


def in_the_repository() -> dict[str, str]:
    """PEM by region."""
    return {path.stem: path.read_text() for path in authorities.FOLDER.glob("*.pem")}


@pytest.mark.slow
def test_they_are_those_of_the_package_whose_hash_is_locked() -> None:
    packaged = authorities.packaged()

    assert in_the_repository() == packaged


@pytest.mark.parametrize(("region", "text"), in_the_repository().items(), ids=in_the_repository())
def test_each_region_has_its_three_roots_for_years_to_come(region: str, text: str) -> None:
    certificates = x509.load_pem_x509_certificates(text.encode())

    names = re.findall(r"^# Amazon RDS (\S+) Root CA (\S+) G1$", text, re.MULTILINE)

    assert sorted(names) == [(region, "ECC384"), (region, "RSA2048"), (region, "RSA4096")]
    assert len(certificates) == 3
    assert all(one.not_valid_after_utc > datetime.now(UTC) + timedelta(days=365) for one in certificates)
