# SPDX-License-Identifier: Apache-2.0
"""Credentials in the double's folder: a CA, the server's certificate, a token, kubeconfigs."""

import base64
import ipaddress
import os
import secrets
import subprocess

_DAYS = "3650"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def write_atomically(path, text, mode=0o644):
    tmp = f"{path}.tmp"
    with os.fdopen(os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as f:
        f.write(text)
    os.replace(tmp, path)


def _openssl(*args):
    run = subprocess.run(["openssl", *args], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"openssl {args[0]}: {run.stderr.strip()}")


def _is_address(name):
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _make_ca(path):
    _openssl("req", "-x509", *_KEY, "-keyout", path("ca.key"), "-out", path("ca.crt.tmp"),
             "-days", _DAYS, "-subj", "/CN=kubernetes",
             "-addext", "basicConstraints=critical,CA:TRUE",
             "-addext", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign")
    os.replace(path("ca.crt.tmp"), path("ca.crt"))


def _make_server(path, names):
    _openssl("req", *_KEY, "-keyout", path("server.key"), "-out", path("server.csr"),
             "-subj", "/CN=kube-apiserver")
    alt = ",".join(("IP:" if _is_address(n) else "DNS:") + n for n in names)
    write_atomically(path("server.ext"), f"subjectAltName={alt}\nextendedKeyUsage=serverAuth\n"
                     "keyUsage=critical,digitalSignature\nbasicConstraints=critical,CA:FALSE\n")
    _openssl("x509", "-req", "-in", path("server.csr"), "-CA", path("ca.crt"),
             "-CAkey", path("ca.key"), "-CAcreateserial", "-days", _DAYS,
             "-extfile", path("server.ext"), "-out", path("server.crt"))
    for scrap in ("server.csr", "server.ext"):
        os.unlink(path(scrap))
    write_atomically(path("server.names"), "\n".join(names) + "\n")


def prepare(folder, names):
    """Makes what is missing in folder; the server's certificate is valid for names."""
    def path(name):
        return os.path.join(folder, name)
    os.makedirs(folder, exist_ok=True)
    fresh = not (os.path.exists(path("ca.crt")) and os.path.exists(path("ca.key")))
    if fresh:
        _make_ca(path)
    names = sorted(set(names))
    known = []
    if not fresh and os.path.exists(path("server.names")):
        with open(path("server.names"), encoding="utf-8") as f:
            known = f.read().split()
    if fresh or not set(names) <= set(known) or not os.path.exists(path("server.crt")):
        _make_server(path, sorted(set(names) | set(known)))
    if not os.path.exists(path("token")):
        new_token(folder)


def new_token(folder):
    """Replaces the token file; returns the token."""
    token = secrets.token_urlsafe(32)
    write_atomically(os.path.join(folder, "token"), token, 0o600)
    return token


def read_token(folder):
    with open(os.path.join(folder, "token"), encoding="utf-8") as f:
        return f.read().strip()


_KUBECONFIG = """apiVersion: v1
kind: Config
clusters:
- name: double
  cluster:
    server: {url}
    certificate-authority-data: {ca}
users:
- name: admin
  user:
    token: {token}
contexts:
- name: double
  context:
    cluster: double
    user: admin
current-context: double
"""


def write_kubeconfigs(folder, urls):
    """kubeconfig for the first URL, kubeconfig-1 and so on for the others."""
    with open(os.path.join(folder, "ca.crt"), "rb") as f:
        ca = base64.b64encode(f.read()).decode()
    token = read_token(folder)
    for i, url in enumerate(urls):
        write_atomically(os.path.join(folder, f"kubeconfig-{i}" if i else "kubeconfig"),
                         _KUBECONFIG.format(url=url, ca=ca, token=token), 0o600)
