"""What crsrisk needs at run time asks nobody to open his own code."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from packaging.utils import canonicalize_name

from tests.contracts.test_locks import LOCKS

# copyleft of their own files alone (docs/decisions.md)
_MOZILLA = {"certifi", "pathspec", "tqdm"}
_SILENT = {"interpret-core"}  # its wheel names no licence; its repository does: MIT
_PERMISSIVE = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy",  # MIT
    "Redistribution and use in source and binary forms, with or without",  # BSD
)


def _licences() -> dict[str, str]:
    """Licence of every installed package, by its name; where it declares none, what its licence
    file says.
    """
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json"]
    command += ["--with-system", "--with-license-file", "--no-license-path"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return {
        canonicalize_name(row["Name"]): row["License"]
        if row["License"] != "UNKNOWN"
        else " ".join(row["LicenseText"].split())
        for row in json.loads(found.stdout)
    }


def test_nothing_under_the_gpl_is_needed_at_run_time() -> None:
    licences = _licences()
    told = {name: licences[name] for name in sorted(LOCKS["requirements.lock"])}
    copyleft = re.compile(r"GPL|\bGNU\b|EUPL|SSPL")
    assert {name: one for name, one in told.items() if copyleft.search(one)} == {}
    mozilla = {name for name, one in told.items() if re.search(r"\bMPL|Mozilla", one)}
    assert mozilla == _MOZILLA
    known = re.compile("MIT|BSD|Apache|ISC|PSF|Python Software|Unlicense|CC0|Zlib")
    others = [
        name
        for name, one in told.items()
        if name not in mozilla
        and not (known.search(one) if len(one) < 200 else any(text in one for text in _PERMISSIVE))
    ]
    assert set(others) == _SILENT
