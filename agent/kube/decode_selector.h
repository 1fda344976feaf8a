/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the decoders of policies share: notes of what is not understood, and label selectors. */
#include "agent/kube/decode.h"

/* What is not understood of one object, as far as it fits. {} to begin with. */
struct lnt_notes {
	char text[480]; /* "" when everything was understood */
	size_t len;
	bool oom; /* memory ran out: the object must not be used */
};

__attribute__((format(printf, 2, 3))) void lnt_note(struct lnt_notes *n, const char *fmt, ...);

/*
 * Hands the notes over: into @e (-ENOTSUP) and as a copy that the caller owns; neither is touched
 * when everything was understood. Returns 0 or -ENOMEM.
 */
int lnt_notes_end(const struct lnt_notes *n, struct lnt_err *e, char **ret_text);

/*
 * Notes each field of @json that is not in @known (NULL-terminated), and what is no object. Fields
 * that are null are as good as absent. Returns whether it is an object of known fields.
 */
bool lnt_only_known(
	struct lnt_notes *n, const cJSON *json, const char *path, const char *const *known);

/*
 * A metav1.LabelSelector. Returns whether all of it is understood. If not, @sel has the
 * requirements that are: it selects what was meant and perhaps more, never less. The caller clears
 * it.
 */
bool lnt_decode_selector(
	struct lnt_notes *n, const cJSON *json, const char *path, struct lnt_selector *sel);

/* Whether a container's port may have this name (RFC 6335, 5.1, in length and characters). */
bool lnt_decode_is_port_name(const char *s);
