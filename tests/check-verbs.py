#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check, explain, diff and capabilities, used as people and scripts use them: no service, no root, no bus

check-verbs.py BULKHEAD ROOT
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BULKHEAD, ROOT = None, None

GOOD = '{"version": "1", "capabilities": [{"name": "com.acme.a", "description": "An a", "gateways": [\n' \
       '{"id": "file", "config": [{"path-host": "/srv/a", "path-container": "/gateways/a"}]}]}]}\n'
BAD = '{"version": "1", "capabilities": [{"name": "com.acme.a", "gateways": [\n{"id": "netwrok", "config": [{}]}]}]}\n'
WARNING = '{"version": "1", "note": 1, "capabilities": []}\n'


def write(folder, name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o644)
    return path


class Verbs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="bulkhead-verbs-")
        self.addCleanup(shutil.rmtree, self.folder)

    def run_bulkhead(self, *arguments, status=0):
        done = subprocess.run([BULKHEAD, "--bus", "unix:path=/nonexistent/bus", *arguments], cwd=self.folder, text=True,
                              capture_output=True, check=False, timeout=60)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    # ---- check ----

    def test_check_says_where(self):
        write(self.folder, "b.json", BAD)
        write(self.folder, "w.json", WARNING)
        done = self.run_bulkhead("check", "b.json", "w.json", status=1)
        lines = done.stdout.splitlines()
        self.assertTrue(lines[0].startswith(
            "b.json:2:8: /capabilities/0/gateways/0/id: Unknown gateway 'netwrok'; did you mean 'network'"), lines[0])
        self.assertTrue(lines[1].startswith("w.json:1:18: /note: warning: "), lines[1])
        self.assertEqual(lines[2:], ["2 files: 1 error, 1 warning"])
        self.assertEqual(done.stderr, "")

    def test_check_of_warnings_alone_is_success(self):
        write(self.folder, "w.json", WARNING)
        self.assertIn("0 errors, 1 warning", self.run_bulkhead("check", ".").stdout)

    def test_check_quiet(self):
        write(self.folder, "a.json", GOOD)
        self.assertEqual(self.run_bulkhead("--quiet", "check", "a.json").stdout, "")

    def test_check_escapes_what_moves_a_cursor(self):
        write(self.folder, "\x1b[2Jx.json", "[")
        self.assertNotIn("\x1b", self.run_bulkhead("check", ".", status=1).stdout)

    def test_check_json(self):
        write(self.folder, "b.json", BAD)
        found = json.loads(self.run_bulkhead("--json", "check", "b.json", status=1).stdout)
        self.assertEqual((found["files"], found["errors"], found["warnings"]), (1, 1, 0))
        finding = found["findings"][0]
        self.assertEqual((finding["severity"], finding["file"], finding["line"], finding["column"], finding["path"]),
                         ("error", "b.json", 2, 8, "/capabilities/0/gateways/0/id"))

    def test_check_sarif(self):
        """The members that SARIF 2.1.0 requires (OASIS, sections 3.13 to 3.30)."""
        path = write(self.folder, "a b/b.json", BAD)
        write(self.folder, "w.json", WARNING)
        write(self.folder, "bulkhead.conf", "[Servce]\n")
        log = json.loads(self.run_bulkhead("check", "--sarif", ".", path, status=1).stdout)
        self.assertEqual(log["version"], "2.1.0")
        self.assertIn("sarif-2.1.0", log["$schema"])
        run, = log["runs"]
        driver = run["tool"]["driver"]
        self.assertEqual(driver["name"], "bulkhead")
        self.assertEqual(run["columnKind"], "unicodeCodePoints")
        self.assertEqual(len(run["results"]), 4)
        uris = set()
        for result in run["results"]:
            self.assertTrue(result["message"]["text"])
            self.assertIn(result["level"], ("error", "warning"))
            self.assertEqual(driver["rules"][result["ruleIndex"]]["id"], result["ruleId"])
            physical = result["locations"][0]["physicalLocation"]
            uris.add(physical["artifactLocation"]["uri"])
            self.assertGreaterEqual(physical["region"]["startLine"], 1)
            self.assertGreaterEqual(physical["region"]["startColumn"], 1)
        self.assertEqual(uris, {"a%20b/b.json", "w.json", "bulkhead.conf",
                                "file://" + os.path.join(self.folder, "a%20b/b.json")})
        self.assertEqual(run["results"][0]["locations"][0]["logicalLocations"],
                         [{"fullyQualifiedName": "/capabilities/0/gateways/0/id"}])

    def test_check_of_an_instance(self):
        write(self.folder, "etc/bulkhead/manifests.d/b.json", BAD)
        self.assertIn("b.json:2:8:", self.run_bulkhead("--root", self.folder, "check", status=1).stdout)
        self.run_bulkhead("--root", self.folder, "check", "b.json", status=2)

    def test_check_of_what_is_not_there(self):
        self.assertIn("none.json: ", self.run_bulkhead("check", "none.json", status=1).stdout)

    def test_samples_have_no_finding(self):
        samples = os.path.join(ROOT, "capabilities/samples")
        found = json.loads(self.run_bulkhead("--json", "check", samples).stdout)
        self.assertEqual(found["findings"], [])
        self.assertGreaterEqual(found["files"], 6)

    def test_samples_use_every_gateway_and_describe_themselves(self):
        used, samples = set(), os.path.join(ROOT, "capabilities/samples")
        for name in os.listdir(samples):
            with open(os.path.join(samples, name), encoding="utf-8") as file:
                manifest = json.load(file)
            self.assertTrue(manifest["description"], name)
            for capability in manifest["capabilities"]:
                self.assertTrue(capability["description"], capability["name"])
                self.assertIn(capability["risk"], ("low", "medium", "high"))
                used.update(gateway["id"] for gateway in capability["gateways"])
        self.assertEqual(used, {"file", "devicenode", "env", "cgroups", "network", "dbus", "pulseaudio", "wayland"})

    # ---- explain ----

    def test_explain(self):
        path = write(self.folder, "etc/bulkhead/manifests.d/a.json", GOOD)
        done = self.run_bulkhead("--root", self.folder, "explain", "com.acme.a")
        header, line = done.stdout.splitlines()
        self.assertEqual(header.split(), ["GATEWAY", "OPENS", "AS", "HOW", "ASKED", "FOR", "BY"])
        self.assertEqual(line.split(), ["file", "/gateways/a", "<-", "/srv/a", "read-only", "com.acme.a",
                                        "(%s:2)" % path])

    def test_explain_json(self):
        path = write(self.folder, "etc/bulkhead/manifests.d/a.json", GOOD)
        plan = json.loads(self.run_bulkhead("--root", self.folder, "--json", "explain", "com.acme.a").stdout)
        self.assertEqual(plan, [{"kind": "bind", "key": "/gateways/a", "source": "/srv/a", "writable": False,
                                 "optional": False, "recursive": False,
                                 "origins": [{"capability": "com.acme.a", "file": path, "line": 2, "column": 27}]}])

    def test_explain_dot(self):
        write(self.folder, "etc/bulkhead/manifests.d/a.json", GOOD.replace("/srv/a", "/srv/\\\"q"))
        dot = self.run_bulkhead("--root", self.folder, "explain", "--dot", "com.acme.a").stdout
        self.assertTrue(dot.startswith("digraph "))
        self.assertIn('"com.acme.a" -> "com.acme.a/file";', dot)
        self.assertIn('"com.acme.a/file" -> "/gateways/a <- /srv/\\"q read-only";', dot)
        self.assertEqual(dot.count("{"), dot.count("}"))

    def test_explain_of_a_near_miss(self):
        write(self.folder, "etc/bulkhead/manifests.d/a.json", GOOD)
        done = self.run_bulkhead("--root", self.folder, "explain", "com.acme.b", status=1)
        self.assertIn("did you mean 'com.acme.a'", done.stderr)
        self.run_bulkhead("--root", self.folder, "explain", status=2)

    def test_explain_remarks_that_files_have_errors(self):
        write(self.folder, "etc/bulkhead/manifests.d/a.json", GOOD)
        write(self.folder, "etc/bulkhead/manifests.d/b.json", BAD.replace("com.acme.a", "com.acme.b"))
        done = self.run_bulkhead("--root", self.folder, "explain", "com.acme.a")
        self.assertIn("1 error", done.stderr)
        done = self.run_bulkhead("--root", self.folder, "explain", "com.acme.b", status=1)
        self.assertIn("b.json", done.stderr)

    # ---- diff ----

    def test_diff(self):
        write(self.folder, "old/a.json", GOOD)
        write(self.folder, "same/a.json", GOOD.replace(": ", ":  "))
        write(self.folder, "new/a.json", GOOD.replace('gateways/a"', 'gateways/a", "read-only": false'))
        self.assertEqual(self.run_bulkhead("diff", "old", "same").stdout, "No difference.\n")
        done = self.run_bulkhead("diff", "old", "new", status=1)
        self.assertEqual(done.stdout.splitlines()[1].split(),
                         ["widened", "com.acme.a", "bind", "/gateways/a", "<-", "/srv/a", "read-only", "->", "<-",
                          "/srv/a", "writable", "new/a.json:2"])
        self.assertIn("narrowed", self.run_bulkhead("diff", "new", "old").stdout)
        self.assertIn("widened", self.run_bulkhead("diff", "old/a.json", "new/a.json", status=1).stdout)

    def test_diff_json(self):
        write(self.folder, "old/a.json", '{"version": "1", "capabilities": []}')
        write(self.folder, "new/a.json", GOOD)
        found = json.loads(self.run_bulkhead("--json", "diff", "old", "new", status=1).stdout)
        self.assertTrue(found["widens"])
        whole, item = found["changes"]
        self.assertEqual((whole["change"], whole["widens"], whole["capability"], whole["kind"]),
                         ("added", True, "com.acme.a", None))
        self.assertEqual((item["kind"], item["key"], item["file"], item["line"]),
                         ("bind", "/gateways/a", "new/a.json", 2))
        found = json.loads(self.run_bulkhead("--json", "diff", "new", "old").stdout)
        self.assertFalse(found["widens"])

    def test_diff_of_what_has_errors_fails(self):
        """What an error takes out must not look as if it were narrower."""
        write(self.folder, "old/a.json", GOOD)
        write(self.folder, "new/a.json", BAD)
        done = self.run_bulkhead("diff", "old", "new", status=1)
        self.assertIn("new/a.json:2:8", done.stderr)
        self.assertEqual(done.stdout, "")
        self.run_bulkhead("diff", "old", "none", status=1)
        self.run_bulkhead("diff", "old", status=2)

    def test_diff_of_images(self):
        write(self.folder, "old/etc/bulkhead/manifests.d/a.json", GOOD)
        write(self.folder, "new/etc/bulkhead/manifests.d/a.json", GOOD)
        write(self.folder, "new/usr/share/bulkhead/manifests.default.d/a.json", GOOD)
        self.assertIn("added", self.run_bulkhead("diff", "old", "new", status=1).stdout)

    # ---- capabilities ----

    def test_capabilities(self):
        write(self.folder, "etc/bulkhead/manifests.d/a.json", GOOD)
        done = self.run_bulkhead("--root", self.folder, "capabilities")
        self.assertEqual(done.stdout.splitlines()[1].split(), ["com.acme.a", "no", "An", "a"])
        self.assertEqual(done.stderr, "")
        one = json.loads(self.run_bulkhead("--root", self.folder, "--json", "capabilities", "com.acme.a").stdout)
        self.assertEqual((one["description"], one["gateways"], one["risk"]), ("An a", ["file"], ""))
        done = self.run_bulkhead("--root", self.folder, "capabilities", "com.acme.b", status=1)
        self.assertIn("did you mean 'com.acme.a'", done.stderr)

    def test_capabilities_without_a_service_says_so(self):
        done = self.run_bulkhead("capabilities")
        self.assertIn("No service on the bus", done.stderr)

    def test_a_near_verb(self):
        self.assertIn("did you mean 'explain'", self.run_bulkhead("explian", status=2).stderr)


if __name__ == "__main__":
    BULKHEAD, ROOT = (os.path.abspath(argument) for argument in sys.argv[1:3])
    unittest.main(argv=sys.argv[:1], verbosity=1)
