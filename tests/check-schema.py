#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Do the JSON Schema of manifests and the parser say the same?

check-schema.py BULKHEAD ROOT   every sample and every case of tests/unit/manifest-cases below ROOT goes through the
                                schema and through `BULKHEAD check --json`; exit 1 where the verdicts differ

What a schema cannot say is listed here by the name of its case. The list is held to as well: a case in it that the
schema does refuse, or that is not there, is a failure.
"""

import json
import os
import subprocess
import sys

from jsonschema import Draft202012Validator

FOLDERS = ("capabilities/samples", "tests/unit/manifest-cases/good", "tests/unit/manifest-cases/bad",
           "tests/unit/manifest-cases/softwarecontainer")

# case -> the rule that a schema cannot say
NOT_IN_SCHEMA = {
    # two rows that cannot both hold
    "cgroups-classid-conflict": "two classes of one sandbox",
    "env-set-twice": "two values of one variable",
    "file-conflict": "two sources of one target",
    "4-1-classid-two": "two classes of one sandbox",
    "4-4-append-then-set": "two values of one variable",
    "4-4-set-twice": "two values of one variable",
    "4-5-two-sources": "two sources of one target",
    # numbers inside of strings
    "cgroups-cpu-max-zero": "a share of a CPU above 0",
    "cgroups-cpuset-backwards": "a range that begins before it ends",
    "cgroups-io-no-device": "a device and its rates in one string",
    "cgroups-io-rate-misspelt": "the words of rates",
    "cgroups-memory-half-byte": "no half bytes",
    "cgroups-memory-overflow": "sizes of at most 63 bits",
    "cgroups-memory-overflow-unit": "sizes of at most 63 bits, unit included",
    "cgroups-memory-zero": "a limit of memory above 0",
    "4-1-memory-overflow": "sizes of at most 63 bits",
    "network-ports-backwards": "a range that begins before it ends",
    "network-prefix-host-bits": "no bits behind a prefix",
    "network-prefix-host-bits-ipv6": "no bits behind a prefix",
    "network-prefix-mask-holes": "a network mask without holes",
    # 1.0 is an integer to a schema, and a mistake in a manifest
    "device-mode-real": "a mode is written as an integer",
    "manifest-version-real": "the version is written as an integer",
    "network-ports-real": "a port is written as an integer",
    # more than one place
    "network-icmp-ipv6": "the protocol is of the family of the host",
    "network-icmpv6-ipv4": "the protocol is of the family of the host",
    # grammars
    "dbus-direction-pattern-none": "a pattern that fits 'incoming' or 'outgoing'",
    "device-glob-open-set": "brackets of a glob in pairs",
    "device-glob-stars": "the number of stars in a glob",
    "device-mode-nine": "octal digits of a number",
    "4-3-mode-648": "octal digits of a number",
}


class Refused(Exception):
    """Not even JSON as a manifest may have it."""


def no_duplicates(pairs):
    if len(dict(pairs)) != len(pairs):
        raise Refused("a key twice")
    return dict(pairs)


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file, object_pairs_hook=no_duplicates, parse_constant=lambda _: 1 / 0)
    except (ValueError, RecursionError, ZeroDivisionError) as error:
        raise Refused(str(error)) from error


def schema_accepts(validator, path):
    try:
        return validator.is_valid(load(path))
    except Refused:
        return False


def parser_accepts(bulkhead, path):
    done = subprocess.run([bulkhead, "--json", "check", path], capture_output=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit("%s: check ended with %d: %s" % (path, done.returncode, done.stderr.decode()))
    errors = json.loads(done.stdout)["errors"]
    if (errors > 0) != (done.returncode == 1):
        sys.exit("%s: exit %d with %d errors" % (path, done.returncode, errors))
    return errors == 0


def compare(validator, bulkhead, path):
    """What is wrong with the verdicts on one manifest, or None."""
    name = os.path.basename(path)[:-len(".json")]
    by_schema, by_parser = schema_accepts(validator, path), parser_accepts(bulkhead, path)
    if by_parser and not by_schema:
        return "the schema refuses what the parser accepts"
    if by_schema and not by_parser and name not in NOT_IN_SCHEMA:
        return "the schema accepts what the parser refuses"
    if name in NOT_IN_SCHEMA and (by_parser or not by_schema):
        return "is listed as what a schema cannot say, but it does"
    return None


def list_manifests(root):
    for folder in FOLDERS:
        names = sorted(os.listdir(os.path.join(root, folder)))
        yield from (os.path.join(root, folder, name) for name in names if name.endswith(".json"))


def find_undescribed(node, path=""):
    """Keys of manifests without the description that an editor shows."""
    if not isinstance(node, dict):
        return
    for key, value in node.get("properties", {}).items():
        is_condition = path.endswith(("/if", "/then", "/else", "/items/properties")) or "/allOf" in path or "/anyOf" in path
        if not is_condition and not (isinstance(value, dict) and value.get("description")):
            yield "%s: %s" % (path, key)
    for key, value in node.items():
        for i, child in enumerate(value if isinstance(value, list) else [value]):
            here = "%s/%s/%d" % (path, key, i) if isinstance(value, list) else "%s/%s" % (path, key)
            yield from find_undescribed(child, here)


def main():
    bulkhead, root = sys.argv[1:]
    with open(os.path.join(root, "capabilities/schema/manifest-1.json"), encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    failures = ["no description: " + key for key in find_undescribed(schema)]

    paths = list(list_manifests(root))
    for path in paths:
        problem = compare(validator, bulkhead, path)
        if problem:
            failures.append("%s: %s" % (os.path.relpath(path, root), problem))
    names = {os.path.basename(path)[:-len(".json")] for path in paths}
    failures += ["%s: is listed, but there is no such case" % name for name in NOT_IN_SCHEMA if name not in names]

    for failure in failures:
        print(failure)
    print("%d manifests, %d rules beyond the schema, %d failures" % (len(paths), len(NOT_IN_SCHEMA), len(failures)))
    sys.exit(1 if failures or not paths else 0)


if __name__ == "__main__":
    main()
