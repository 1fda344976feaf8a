# SPDX-License-Identifier: Apache-2.0
"""The API-server double. See ../apiserver for what it is and how it is used."""
