#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Is the terminal output in the documents what the programs print?

check-docs.py BULKHEAD ROOT            runs what stands in fenced blocks of docs/*.md, and compares
check-docs.py --write BULKHEAD ROOT    puts what is printed in the place of what stands there

In a document, all in one temporary folder, in order:
    ```json file=PATH       (or ini) the block is written to PATH
    ```json file=ROOT/PATH  the block is compared with that file of the source
    ```console              "$ COMMAND" is run, the lines after it are what it prints, both streams; the exit status
                            is no part of it. Words are split as a shell does; nothing else of a shell is there.
Only bulkhead, cat, cp and mkdir can be run. Options in a comment <!-- console: --root . --> go behind each bulkhead
from there on; documents without such a comment are not looked at.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ALLOWED = ("bulkhead", "cat", "cp", "mkdir")
COMMENT = re.compile(r"<!-- console:(.*)-->")
FENCE = re.compile(r"^```(\w+)?(?: file=(\S+))?$")


class Document:
    def __init__(self, path, bulkhead, root):
        self.path, self.bulkhead, self.root = path, bulkhead, root
        self.failures, self.commands = [], 0
        self.options = []

    def run(self, command, folder):
        words = shlex.split(command)
        if words[0] not in ALLOWED:
            return "check-docs.py: '%s' is none of %s\n" % (words[0], ", ".join(ALLOWED))
        if words[0] == "bulkhead":
            words = [self.bulkhead] + self.options + words[1:]
        words = [word.replace("ROOT", self.root) for word in words]
        done = subprocess.run(words, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, check=False, timeout=60)
        self.commands += 1
        return done.stdout.replace(folder + "/", "/")

    def console(self, block, folder):
        """The block as it really is."""
        printed = []
        for line in block:
            if line.startswith("$ "):
                printed.append(line)
                printed += [text.rstrip() for text in self.run(line[2:], folder).splitlines()]
        return printed

    def source(self, name, block, number):
        with open(os.path.join(self.root, name), encoding="utf-8") as file:
            if file.read().splitlines() != block:
                self.failures.append("%s:%d: is not what %s is" % (self.path, number, name))

    def block(self, kind, target, block, number, folder):
        """What should stand in the document."""
        if kind == "console":
            real = self.console(block, folder)
            if real != block:
                self.failures.append("%s:%d: this is printed:\n    %s" % (self.path, number, "\n    ".join(real)))
            return real
        if target and target.startswith("ROOT/"):
            self.source(target[len("ROOT/"):], block, number)
        elif target:
            path = os.path.join(folder, target)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write("\n".join(block) + "\n")
            os.chmod(path, 0o644)
        return block

    def check(self):
        with open(self.path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        folder, out, at = tempfile.mkdtemp(prefix="bulkhead-docs-"), [], 0
        try:
            while at < len(lines):
                fence = FENCE.match(lines[at])
                options = COMMENT.fullmatch(lines[at])
                if options:
                    self.options = shlex.split(options.group(1))
                out.append(lines[at])
                at += 1
                if not fence:
                    continue
                end = lines.index("```", at)
                out += self.block(fence.group(1), fence.group(2), lines[at:end], at + 1, folder) + ["```"]
                at = end + 1
        finally:
            shutil.rmtree(folder)
        return out


def is_checked(path):
    with open(path, encoding="utf-8") as file:
        return any(COMMENT.fullmatch(line.rstrip("\n")) for line in file)


def main():
    arguments = sys.argv[1:]
    is_writing = arguments[:1] == ["--write"]
    bulkhead, root = (os.path.abspath(argument) for argument in arguments[-2:])
    docs, failures, commands = os.path.join(root, "docs"), [], 0
    for name in sorted(os.listdir(docs)):
        path = os.path.join(docs, name)
        if not name.endswith(".md") or not is_checked(path):
            continue
        document = Document(path, bulkhead, root)
        out = document.check()
        commands += document.commands
        if is_writing:
            with open(document.path, "w", encoding="utf-8") as file:
                file.write("\n".join(out) + "\n")
        else:
            failures += document.failures
    for failure in failures:
        print(failure)
    print("%d commands, %d failures" % (commands, len(failures)))
    sys.exit(1 if failures or commands == 0 else 0)


if __name__ == "__main__":
    main()
