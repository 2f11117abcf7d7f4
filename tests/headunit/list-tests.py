#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints, as JSON, the tests that tests/headunit/inside is to run: those of meson introspect --tests, on standard
input, that need a real kernel, with the paths that they have in the head unit."""
import argparse
import json
import sys

SUITES = {"integration", "attacks"}
PACKAGE = {"name": "package", "cmd": ["/test/source/tests/systemd/inside"], "env": {}, "timeout": 160,
           "is_parallel": False}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="the build's folder here")
    parser.add_argument("--source", required=True, help="the source's folder here")
    parser.add_argument("--slow", type=int, default=1, help="by what the times that tests may take are multiplied")
    parser.add_argument("--leave-out", default="", metavar="'NAME, NAME: WHY'", help="tests that are not run")
    parser.add_argument("only", nargs="*", help="run no others")
    arguments = parser.parse_args()

    def moved(text):
        if text.endswith("/python3"):
            return "/usr/bin/python3"  # whichever it is here
        return text.replace(arguments.build, "/test/build").replace(arguments.source, "/test/source")

    names, _, why = arguments.leave_out.partition(": ")
    left_out = set(names.split(", "))
    tests = [PACKAGE]
    for test in json.load(sys.stdin):
        suites = {suite.rpartition(":")[2] for suite in test["suite"]}
        if suites & SUITES and test["name"] not in left_out:
            tests.append({
                "name": test["name"], "cmd": [moved(word) for word in test["cmd"]], "timeout": test["timeout"],
                "is_parallel": test["is_parallel"], "priority": test["priority"],
                "env": {name: moved(value) for name, value in test["env"].items()}})
    if arguments.only:
        unknown = set(arguments.only) - {test["name"] for test in tests}
        if unknown:
            sys.exit(f"headunit-test: there is no test {', '.join(sorted(unknown))}")
        tests = [test for test in tests if test["name"] in arguments.only]
    elif left_out:
        print(f"Left out: {', '.join(sorted(left_out))}: {why}", file=sys.stderr)
    print(f"{len(tests)} tests; times are multiplied by {arguments.slow}, rounds divided", file=sys.stderr)
    json.dump({"slow": arguments.slow, "tests": tests}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
