#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes containers of a DaemonSet, as a kubelet and containerd's CRI plugin do on one node.

    daemonset.py [OPTION...] DAEMONSET CONFIGMAPS DIR

DAEMONSET and CONFIGMAPS are what `kubectl get -o json` prints; to be run in the node's namespaces,
where hostPaths mean what they say. Each container NAME gets DIR/NAME/config.json, a configuration of
the OCI runtime whose root is DIR/NAME/rootfs, for the caller to fill from the image. DIR/plan.json
says the rest: {"init": [NAME...], "main": [NAME...], "confined": [NAME...], "grace": SECONDS,
"ready": URL or null}. Those confined are to have the runtime's own seccomp profile.

What a kubelet adds is added (the service account, the addresses of the Service kubernetes, the node's
hosts file); what a runtime keeps from a container that is not privileged is kept from it (/proc/sys and
cgroups are read-only, /sys too, and where there is only cgroup v2 it sees its own cgroup as the root).
Fields that are not known here are refused, so that no test passes because one was overlooked.
"""
import argparse
import json
import os
import re
import shutil
import tarfile

# In the order of linux/capability.h.
CAPS = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
        "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO "
        "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
        "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG "
        "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE").split()
DEFAULT_CAPS = ("CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP "
                "NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE").split()
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
MASKED = ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
          "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

# Fields that change nothing of what the container can do, or that the caller looks at.
POD_FIELDS = {"containers", "initContainers", "volumes", "hostNetwork", "hostPID", "hostIPC",
              "serviceAccount", "serviceAccountName", "automountServiceAccountToken", "tolerations",
              "nodeSelector", "affinity", "priorityClassName", "terminationGracePeriodSeconds",
              "dnsPolicy", "restartPolicy", "schedulerName", "enableServiceLinks", "securityContext"}
CONTAINER_FIELDS = {"name", "image", "imagePullPolicy", "command", "args", "workingDir", "env",
                    "envFrom", "volumeMounts", "securityContext", "resources", "ports",
                    "livenessProbe", "readinessProbe", "startupProbe", "terminationMessagePath",
                    "terminationMessagePolicy"}
SECURITY_FIELDS = {"privileged", "capabilities", "readOnlyRootFilesystem", "runAsUser", "runAsGroup",
                   "runAsNonRoot", "allowPrivilegeEscalation", "seccompProfile", "appArmorProfile",
                   "seLinuxOptions"}


def only(obj, known, where):
    """Refuses what is in obj beside the known keys; returns obj, or {} where there is none."""
    unknown = set(obj or {}) - set(known)
    if unknown:
        raise SystemExit(f"daemonset.py: {where}: not known here: {', '.join(sorted(unknown))}")
    return obj or {}


def bytes_of(quantity):
    number, unit = re.fullmatch(r"(\d+)([KMGT]i|[kMGT])?", quantity).groups()
    factor = 1024 if (unit or "").endswith("i") else 1000
    return int(number) * factor ** ("kmgt".index(unit[0].lower()) + 1 if unit else 0)


class Image:
    """An archive's one image."""

    def __init__(self, path):
        with tarfile.open(path) as archive:
            self._archive = archive
            entry = self._json("index.json")["manifests"][0]
            self.name = entry["annotations"]["io.containerd.image.name"]
            manifest = self._json(self._blob(entry["digest"]))
            self.config = self._json(self._blob(manifest["config"]["digest"])).get("config", {})

    @staticmethod
    def _blob(digest):
        return "blobs/" + digest.replace(":", "/")

    def _json(self, name):
        return json.load(self._archive.extractfile(name))

    def check(self, container):
        """Whether a kubelet would start this container of it without a registry."""
        name = container["image"]
        first, slash, _ = name.partition("/")
        if not slash:
            name = "docker.io/library/" + name
        elif "." not in first and ":" not in first and first != "localhost":
            name = "docker.io/" + name
        if name != self.name:
            raise SystemExit(f"daemonset.py: no image {name} in the archive, but {self.name}")
        if container["imagePullPolicy"] == "Always":
            raise SystemExit(f"daemonset.py: {name} would be pulled")


class Mounts:
    """The node's mounts, for what a runtime asks of propagation."""

    def __init__(self):
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            lines = [line.split(" - ")[0].split() for line in f]
        self._shared = {fields[4]: fields[6:] for fields in lines}

    def has(self, path, *kinds):
        """Whether the mount that path is on propagates in one of these ways: shared, master."""
        path = os.path.realpath(path)
        while path not in self._shared:
            path = os.path.dirname(path)
        return any(tag.split(":")[0] in kinds for tag in self._shared[path])


class Pod:
    """A DaemonSet's pod on this node."""

    def __init__(self, options, daemonset, configmaps):
        self.options = options
        self.namespace = daemonset["metadata"]["namespace"]
        self.name = daemonset["metadata"]["name"] + "-" + options.node
        self.meta = daemonset["spec"]["template"]["metadata"]
        self.spec = only(daemonset["spec"]["template"]["spec"], POD_FIELDS, "the pod")
        self.configmaps = {c["metadata"]["name"]: c.get("data") or {} for c in configmaps["items"]
                           if c["metadata"]["namespace"] == self.namespace}
        self.image = Image(options.image)
        self.mounts = Mounts()
        self.unified = any(line.split()[1:3] == ["/sys/fs/cgroup", "cgroup2"]
                           for line in open("/proc/self/mounts", encoding="utf-8"))
        if not self.spec.get("hostNetwork"):
            raise SystemExit("daemonset.py: a pod with a network of its own is not known here")
        self.volumes = {v["name"]: self._volume(v) for v in self.spec.get("volumes") or []}

    # --- volumes ------------------------------------------------------------------------------

    def _volume(self, volume):
        """Makes it, as the kubelet does, and returns its path."""
        name = volume["name"]
        only(volume, ("name", "hostPath", "configMap", "emptyDir"), f"volume {name}")
        if "hostPath" in volume:
            return self._host_path(only(volume["hostPath"], ("path", "type"), f"volume {name}"))
        path = f"{self.options.dir}/volumes/{name}"
        os.makedirs(path)
        if "configMap" in volume:
            source = only(volume["configMap"], ("name", "optional", "defaultMode"), f"volume {name}")
            if source["name"] not in self.configmaps and not source.get("optional"):
                raise SystemExit(f"daemonset.py: there is no ConfigMap {source['name']}")
            self._write_files(path, self.configmaps.get(source["name"], {}))
        return path

    @staticmethod
    def _host_path(source):
        path, kind = source["path"], source.get("type", "")
        if kind == "FileOrCreate" and not os.path.exists(path):
            open(path, "w", encoding="utf-8").close()
        elif kind in ("", "DirectoryOrCreate") and not os.path.exists(path):
            os.makedirs(path, 0o755)
        if kind.startswith("Directory") and not os.path.isdir(path) or \
           kind.startswith("File") and not os.path.isfile(path) or not os.path.exists(path):
            raise SystemExit(f"daemonset.py: hostPath {path} is no {kind}")
        return path

    @staticmethod
    def _write_files(path, data):
        """As the kubelet's atomic writer leaves them: each name is a link through ..data."""
        os.mkdir(f"{path}/..1")
        os.symlink("..1", f"{path}/..data")
        for name, text in data.items():
            with open(f"{path}/..1/{name}", "w", encoding="utf-8") as f:
                f.write(text)
            os.symlink(f"..data/{name}", f"{path}/{name}")

    def _service_account(self):
        path = f"{self.options.dir}/volumes/service-account"
        if not os.path.isdir(path):
            os.makedirs(path)
            files = {"namespace": self.namespace}
            for name in ("ca.crt", "token"):
                with open(f"{self.options.credentials}/{name}", encoding="utf-8") as f:
                    files[name] = f.read()
            self._write_files(path, files)
        return path

    # --- one container ------------------------------------------------------------------------

    def _env(self, container):
        host, port = self.options.kubernetes_service.rsplit(":", 1)
        env = dict(e.split("=", 1) for e in self.image.config.get("Env") or [])
        env.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        env.update(HOSTNAME=self.options.node, KUBERNETES_SERVICE_HOST=host,
                   KUBERNETES_SERVICE_PORT=port, KUBERNETES_SERVICE_PORT_HTTPS=port)
        for source in container.get("envFrom") or []:
            only(source, ("configMapRef",), "envFrom")
            ref = source["configMapRef"]
            if ref["name"] not in self.configmaps and not ref.get("optional"):
                raise SystemExit(f"daemonset.py: there is no ConfigMap {ref['name']}")
            env.update(self.configmaps.get(ref["name"], {}))
        for item in container.get("env") or []:
            value = self._env_value(item)
            if value is not None:
                env[item["name"]] = self._expand(value, env)
        return env

    def _env_value(self, item):
        if "valueFrom" not in item:
            return item.get("value", "")
        source = only(item["valueFrom"], ("fieldRef", "configMapKeyRef"), f"env {item['name']}")
        if "configMapKeyRef" in source:
            ref = source["configMapKeyRef"]
            value = self.configmaps.get(ref["name"], {}).get(ref["key"])
            if value is None and not ref.get("optional"):
                raise SystemExit(f"daemonset.py: no {ref['key']} in ConfigMap {ref['name']}")
            return value
        return {"spec.nodeName": self.options.node, "metadata.namespace": self.namespace,
                "metadata.name": self.name, "status.hostIP": self.options.node_ip,
                "status.podIP": self.options.node_ip,
                "spec.serviceAccountName": self.spec.get("serviceAccountName", "default"),
                }[source["fieldRef"]["fieldPath"]]

    @staticmethod
    def _expand(text, env):
        return re.sub(r"\$\$|\$\((\w+)\)", lambda m: "$" if m[0] == "$$" else env.get(m[1], m[0]), text)

    def _args(self, container, env):
        config = self.image.config
        if container.get("command"):
            args = container["command"] + (container.get("args") or [])
        else:
            args = (config.get("Entrypoint") or []) + (container.get("args") or config.get("Cmd") or [])
        return [self._expand(a, env) for a in args]

    def _bind(self, source, target, propagation="None", read_only=False):
        how = {"None": "rprivate", "HostToContainer": "rslave", "Bidirectional": "rshared"}[propagation]
        kinds = {"rshared": ("shared",), "rslave": ("shared", "master")}.get(how)
        if kinds and not self.mounts.has(source, *kinds):
            raise SystemExit(f"daemonset.py: {source} is not on a mount that is {' or '.join(kinds)}")
        return {"destination": target, "source": source, "type": "bind",
                "options": ["rbind", how, "ro" if read_only else "rw"]}

    def _binds(self, container, folder, privileged):
        """What the kubelet gives to the runtime, in the order in which that mounts it."""
        binds = []
        for mount in container.get("volumeMounts") or []:
            only(mount, ("name", "mountPath", "readOnly", "mountPropagation"), "a volumeMount")
            propagation = mount.get("mountPropagation", "None")
            if propagation == "Bidirectional" and not privileged:
                raise SystemExit(f"daemonset.py: {container['name']}: Bidirectional is for "
                                 "privileged containers only")
            binds.append(self._bind(self.volumes[mount["name"]], mount["mountPath"].rstrip("/"),
                                    propagation, mount.get("readOnly", False)))
        if self.spec.get("automountServiceAccountToken", True):
            binds.append(self._bind(self._service_account(), SERVICE_ACCOUNT, read_only=True))
        for path in ("/etc/hosts", "/etc/resolv.conf"):
            if os.path.exists(path):
                copy = f"{folder}/{os.path.basename(path)}"
                shutil.copyfile(path, copy)
                binds.append(self._bind(copy, path))
        log = f"{folder}/termination-log"
        open(log, "w", encoding="utf-8").close()
        binds.append(self._bind(log, container["terminationMessagePath"]))
        return sorted(binds, key=lambda b: b["destination"].count("/"))

    @staticmethod
    def _all_caps():
        """Those of the runtime itself, which is all that it can give."""
        with open("/proc/self/status", encoding="utf-8") as f:
            bits = next(int(line.split()[1], 16) for line in f if line.startswith("CapEff:"))
        return {cap for i, cap in enumerate(CAPS) if bits >> i & 1}

    @staticmethod
    def _default_mounts(privileged):
        safe = ["nosuid", "noexec", "nodev"]
        mode = "rw" if privileged else "ro"
        return [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": safe},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": safe},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": safe + ["mode=1777", "size=65536k"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": safe + [mode]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
             "options": safe + ["relatime", mode]},
        ]

    def _capabilities(self, security, privileged):
        caps = self._all_caps() if privileged else set(DEFAULT_CAPS)
        change = only(security.get("capabilities"), ("add", "drop"), "capabilities")
        for cap in change.get("drop") or []:
            caps = set() if cap == "ALL" else caps - {cap}
        for cap in change.get("add") or []:
            caps = self._all_caps() if cap == "ALL" else caps | {cap}
        names = sorted("CAP_" + cap for cap in caps)
        return {kind: names for kind in ("bounding", "effective", "permitted")}

    def _security(self, container):
        pod = only(self.spec.get("securityContext"), SECURITY_FIELDS, "the pod's securityContext")
        own = only(container.get("securityContext"), SECURITY_FIELDS, container["name"])
        security = {**pod, **own}
        profile = only(security.get("seccompProfile"), ("type",), "seccompProfile").get("type")
        if profile not in (None, "Unconfined", "RuntimeDefault"):
            raise SystemExit(f"daemonset.py: seccomp profile {profile} is not known here")
        if security.get("runAsNonRoot") and not security.get("runAsUser"):
            raise SystemExit(f"daemonset.py: {container['name']}: the image runs as root")
        return security

    def _resources(self, container, privileged):
        resources = {"devices": [{"allow": privileged, "access": "rwm"}]}
        limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
        if limit and not self.unified and os.path.ismount("/sys/fs/cgroup/memory"):
            resources["memory"] = {"limit": bytes_of(limit)}
        return resources

    def _namespaces(self, privileged):
        kinds = ["mount"]
        kinds += [] if self.spec.get("hostPID") else ["pid"]
        kinds += [] if self.spec.get("hostIPC") else ["ipc"]
        kinds += ["cgroup"] if self.unified and not privileged else []
        return [{"type": kind} for kind in kinds]

    def config(self, container):
        """The runtime's configuration of a container; makes its folder."""
        name = container["name"]
        only(container, CONTAINER_FIELDS, f"container {name}")
        self.image.check(container)
        folder = f"{self.options.dir}/{name}"
        os.makedirs(f"{folder}/rootfs")
        security = self._security(container)
        privileged = security.get("privileged", False)
        env = self._env(container)
        binds = self._binds(container, folder, privileged)
        taken = {b["destination"] for b in binds}
        options = {o for b in binds for o in b["options"]}
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": security.get("runAsUser", 0), "gid": security.get("runAsGroup", 0)},
                "args": self._args(container, env),
                "env": [f"{k}={v}" for k, v in env.items()],
                "cwd": container.get("workingDir") or self.image.config.get("WorkingDir") or "/",
                "capabilities": self._capabilities(security, privileged),
                "noNewPrivileges": not security.get("allowPrivilegeEscalation", True),
            },
            "root": {"path": f"{folder}/rootfs",
                     "readonly": security.get("readOnlyRootFilesystem", False)},
            "mounts": [m for m in self._default_mounts(privileged) if m["destination"] not in taken]
            + binds,
            "linux": {
                "namespaces": self._namespaces(privileged),
                "resources": self._resources(container, privileged),
                "cgroupsPath": f"{self.options.cgroup_parent}/{os.path.basename(self.options.dir)}/{name}",
                "rootfsPropagation": next((o for o in ("rshared", "rslave") if o in options), ""),
                **({} if privileged else {"maskedPaths": MASKED, "readonlyPaths": READ_ONLY}),
            },
        }

    def is_confined(self, container):
        """Whether it gets the runtime's seccomp profile; privileged containers have none."""
        security = self._security(container)
        profile = (security.get("seccompProfile") or {}).get("type")
        return profile == "RuntimeDefault" and not security.get("privileged")

    def ready_url(self):
        probe = (self.spec["containers"][0].get("readinessProbe") or {}).get("httpGet")
        if not probe:
            return None
        host = probe.get("host") or self.options.node_ip
        return f"http://{host}:{probe['port']}{probe.get('path', '/')}"


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--node", required=True, help="its name")
    parser.add_argument("--node-ip", required=True)
    parser.add_argument("--kubernetes-service", required=True, metavar="ADDR:PORT",
                        help="of the Service that containers are told of")
    parser.add_argument("--image", required=True, metavar="ARCHIVE")
    parser.add_argument("--credentials", required=True, metavar="DIR", help="has ca.crt and token")
    parser.add_argument("--cgroup-parent", required=True, metavar="PATH")
    parser.add_argument("daemonset", type=argparse.FileType(encoding="utf-8"))
    parser.add_argument("configmaps", type=argparse.FileType(encoding="utf-8"))
    parser.add_argument("dir")
    return parser.parse_args()


def main():
    options = parse()
    os.makedirs(options.dir)
    pod = Pod(options, json.load(options.daemonset), json.load(options.configmaps))
    plan = {"grace": pod.spec["terminationGracePeriodSeconds"], "ready": pod.ready_url()}
    plan["confined"] = []
    for kind, field in (("init", "initContainers"), ("main", "containers")):
        containers = pod.spec.get(field) or []
        plan[kind] = [c["name"] for c in containers]
        plan["confined"] += [c["name"] for c in containers if pod.is_confined(c)]
        for container in containers:
            config = pod.config(container)
            with open(f"{options.dir}/{container['name']}/config.json", "w", encoding="utf-8") as f:
                json.dump(config, f, indent=1)
    with open(f"{options.dir}/plan.json", "w", encoding="utf-8") as f:
        json.dump(plan, f)


if __name__ == "__main__":
    main()
