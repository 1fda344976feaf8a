# SPDX-License-Identifier: Apache-2.0
"""The manifests: what they say against what the programs do, without a cluster."""

import os
import re
import subprocess
import tempfile
import unittest

import yaml

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.environ.get("LNT_BUILD", os.path.join(TOP, "build"))
# What belongs to a node, and what is no setting but a thing to do.
NOT_IN_CONFIG = {"node-name", "config-dir", "load-only", "mount-only", "cleanup", "wait", "version", "help"}


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as f:
        return f.read()


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=TOP).stdout


def objects(text):
    return {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(text)}


def options():
    """{name: default} of linnetd, as it says itself."""
    ret, name = {}, None
    for line in run(f"{BUILD}/linnetd", "--help").splitlines():
        head = re.match(r"  --([a-z-]+)", line)
        if head:
            name = head[1]
            ret[name] = ""
        found = re.search(r"\(default: (.*)\)$", line)
        if found:
            ret[name] = found[1]
    return ret


def pod(daemonset):
    return daemonset["spec"]["template"]["spec"]


def containers(daemonset):
    return pod(daemonset).get("initContainers", []) + pod(daemonset)["containers"]


class Install(unittest.TestCase):
    def setUp(self):
        self.text = read("manifests/install.yaml")
        self.objects = objects(self.text)
        self.config = self.objects["ConfigMap", "linnet"]["data"]
        self.daemonset = self.objects["DaemonSet", "linnet"]

    def test_is_made_of_its_parts(self):
        self.assertEqual(self.text, run("hack/manifest"))

    def test_kustomize_gives_the_same_objects(self):
        self.assertEqual(objects(run("kubectl", "kustomize", "manifests")), self.objects)

    def test_config_has_every_option_with_its_default(self):
        want = {k: v for k, v in options().items() if k not in NOT_IN_CONFIG}
        self.assertGreater(len(want), 10)
        self.assertEqual(self.config, want)

    def test_config_comments_every_option(self):
        lines = read("manifests/configmap.yaml").splitlines()
        for i, line in enumerate(lines):
            if re.match(r"  [a-z-]+: \"", line):
                self.assertRegex(lines[i - 1], r"^  # ", line)

    def test_documentation_has_every_option_with_its_default(self):
        table = read("docs/configuration.md").split("\n\n")[2]
        rows = dict(re.findall(r"^\| `--([a-z-]+)[^|]*\|([^|]*)\|", table, re.M))
        want = {k: v for k, v in options().items() if k not in ("help", "version")}
        self.assertEqual(rows.keys(), want.keys())
        for name, default in want.items():
            self.assertIn(default, rows[name], name)

    def test_probes_ask_where_linnetd_answers(self):
        agent = pod(self.daemonset)["containers"][0]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            get = agent[probe]["httpGet"]
            self.assertEqual(f"{get['host']}:{get['port']}", self.config["http-address"])

    def test_paths_are_mounted(self):
        agent = pod(self.daemonset)["containers"][0]
        mounted = {m["mountPath"] for m in agent["volumeMounts"]}
        for option in ("run-dir", "cni-conf-dir"):
            self.assertIn(self.config[option], mounted)
        self.assertIn("/sys/fs/bpf", mounted)
        self.assertEqual(agent["args"], ["--config-dir=/etc/linnet"])
        self.assertIn("/etc/linnet", mounted)

    def test_of_the_nodes_mounts_only_run_has_to_be_shared(self):
        for daemonset in self.daemonset, objects(read("manifests/uninstall.yaml"))[
                "DaemonSet", "linnet-uninstall"]:
            paths = {v["name"]: v.get("hostPath", {}).get("path") for v in pod(daemonset)["volumes"]}
            shared = {paths[m["name"]] for c in containers(daemonset)
                      for m in c.get("volumeMounts", []) if m.get("mountPropagation", "None") != "None"}
            self.assertLessEqual(shared, {"/run", "/run/linnet"})

    def test_only_what_mounts_on_the_node_is_privileged(self):
        for c in containers(self.daemonset):
            mounts = any(m.get("mountPropagation") == "Bidirectional" for m in c["volumeMounts"])
            self.assertEqual(c["securityContext"].get("privileged", False), mounts, c["name"])
            if not mounts:
                self.assertEqual(c["securityContext"]["capabilities"]["drop"], ["ALL"])

    def test_namespaced_objects_name_their_namespace(self):
        for (kind, name), obj in self.objects.items():
            if kind in ("ServiceAccount", "ConfigMap", "DaemonSet"):
                self.assertEqual(obj["metadata"].get("namespace"), "kube-system", name)


class Documentation(unittest.TestCase):
    """docs/install.md: what can be run of it without a cluster."""

    def setUp(self):
        self.text = read("docs/install.md")

    def test_the_api_server_is_set_as_documented(self):
        command = re.search(r"^    (sed [^|]*)\|\n", self.text, re.M)[1]
        config = objects(run("sh", "-c", command))["ConfigMap", "linnet"]["data"]
        self.assertEqual(config["kubernetes-service-host"], "192.0.2.10")
        config["kubernetes-service-host"] = ""
        self.assertEqual(config, objects(read("manifests/install.yaml"))["ConfigMap", "linnet"]["data"])

    def test_kustomize_takes_another_image(self):
        images = re.search(r"^    (images:\n(?:      .*\n)+)", self.text, re.M)[1].replace("\n    ", "\n")
        with tempfile.TemporaryDirectory(dir=TOP) as folder:
            with open(f"{folder}/kustomization.yaml", "w", encoding="utf-8") as f:
                f.write("resources: [../manifests]\n" + images)
            daemonset = objects(run("kubectl", "kustomize", folder))["DaemonSet", "linnet"]
        self.assertEqual({c["image"] for c in containers(daemonset)}, {"registry.example.org/linnet:v1"})

    def test_files_and_objects_that_it_names_are_there(self):
        for name in re.findall(r"(?:manifests|hack)/[a-z./-]*[a-z]", self.text):
            self.assertTrue(os.path.exists(os.path.join(TOP, name)) or name.startswith("manifests?"), name)
        have = {n for f in ("install", "uninstall") for _, n in objects(read(f"manifests/{f}.yaml"))}
        for name in re.findall(r"(?:daemonset|configmap)[ /](linnet[a-z-]*)", self.text):
            self.assertIn(name, have)


class Uninstall(unittest.TestCase):
    def setUp(self):
        install = objects(read("manifests/install.yaml"))["DaemonSet", "linnet"]
        self.uninstall = objects(read("manifests/uninstall.yaml"))["DaemonSet", "linnet-uninstall"]
        self.install = install

    def test_reaches_the_nodes_of_install(self):
        for field in ("tolerations", "nodeSelector", "hostNetwork", "priorityClassName"):
            self.assertEqual(pod(self.uninstall)[field], pod(self.install)[field])

    def test_has_the_folders_that_install_writes_to(self):
        def written(daemonset):
            paths = {v["name"]: v.get("hostPath", {}).get("path") for v in pod(daemonset)["volumes"]}
            return {paths[m["name"]] for c in containers(daemonset)
                    for m in c.get("volumeMounts", []) if not m.get("readOnly")}
        # linnet's own folder is removed, from the one above.
        self.assertEqual(written(self.uninstall), written(self.install) - {"/run/linnet"} | {"/run"})

    def test_uses_the_same_image(self):
        images = {c["image"] for d in (self.install, self.uninstall) for c in containers(d)}
        self.assertEqual(len(images), 1)


class Volumes(unittest.TestCase):
    def test_every_mount_has_its_volume_and_every_volume_its_mount(self):
        for name in ("install", "uninstall"):
            for (kind, _), obj in objects(read(f"manifests/{name}.yaml")).items():
                if kind == "DaemonSet":
                    self.assertEqual({m["name"] for c in containers(obj) for m in c.get("volumeMounts", [])},
                                     {v["name"] for v in pod(obj)["volumes"]}, name)


if __name__ == "__main__":
    unittest.main()
