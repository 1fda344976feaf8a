/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What inject and its programs agree upon. */
#define INJECT_FLOWS 64 /* connections; a power of two */
#define INJECT_FRAME 64 /* bytes, a multiple of 8 */
