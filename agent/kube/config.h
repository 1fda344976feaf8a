/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Credentials as the HTTP client uses them: read from their files at every request. */
#include "agent/kube/kube.h"

/* Copies @from. Returns 0 or -ENOMEM, with @ret_cfg empty. */
int lnt_kube_config_copy(const struct lnt_kube_config *from, struct lnt_kube_config *ret_cfg);

/*
 * The bearer token, from its file where there is one. *ret_token is the caller's, NULL when there
 * is none to send. Returns 0 or -errno with the reason in @e; a token with characters that no
 * header can carry is -EINVAL.
 */
int lnt_kube_config_token(const struct lnt_kube_config *cfg, struct lnt_err *e, char **ret_token);

/* The certificate authorities as PEM; *ret_pem is the caller's, NULL when none are given. */
int lnt_kube_config_ca(const struct lnt_kube_config *cfg, struct lnt_err *e, char **ret_pem);
