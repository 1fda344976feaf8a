/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * linnet's version, of all its programs and of the image; this line is the only place that has it
 * (`make -s version` prints it). Which commit an image is of, its labels say.
 */
#define LNT_VERSION "0.1.0"
