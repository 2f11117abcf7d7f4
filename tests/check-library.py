#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Is the library what its header says, to the outside?

check-library.py HEADER LIBRARY EXAMPLE CC

Exported are the functions of the header, each with a version, and nothing else. The header compiles alone, as C and
(where there is a compiler) as C++, and names nothing of D-Bus or GLib. The example has at most 40 lines. Prints each
difference; exit 1 if there is one.
"""

import re
import shutil
import subprocess
import sys


def main():
    if len(sys.argv) != 5:
        print(__doc__, file=sys.stderr)
        return 2
    header, library, example = sys.argv[1:4]
    problems = []
    with open(header, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
    declared = set(re.findall(r"\b(bulkhead_\w+)\(", text))
    listing = subprocess.run(["nm", "--dynamic", "--defined-only", library], capture_output=True, text=True, check=True)
    symbols = [line.split()[-1] for line in listing.stdout.splitlines() if line.split()[1] != "A"]
    exported = {symbol.split("@")[0] for symbol in symbols}
    problems += [f"{name} is not exported" for name in sorted(declared - exported)]
    problems += [f"{name} is exported and not in the header" for name in sorted(exported - declared)]
    problems += [f"{symbol} has no version" for symbol in symbols if not re.search(r"@BULKHEAD_\d+$", symbol)]
    problems += [f"the header names {name}" for name in re.findall(r"\b(?:sd_bus\w*|sd_event\w*|g[a-z]*_\w+|G[A-Z]\w+|DBus\w+)\b", text)]
    with open(example, encoding="utf-8") as file:
        lines = len(file.readlines())
    if lines > 40:
        problems.append(f"the example has {lines} lines")
    for language, compiler in (("c", sys.argv[4]), ("c++", "c++")):
        if shutil.which(compiler.split()[0]):
            r = subprocess.run(compiler.split() + ["-x", language, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only",
                               "-include", header, "/dev/null"], capture_output=True, text=True, check=False)
            if r.returncode != 0:
                problems.append(f"as {language}: {r.stderr}")
    for problem in problems:
        print(problem)
    print(f"{len(exported)} symbols, {len(problems)} problems")
    return 1 if problems or not exported else 0


if __name__ == "__main__":
    sys.exit(main())
