# SPDX-License-Identifier: BSL-1.0
# Daemons that are started take their time where much else runs; two at once would only slow each other down.

set_tests_properties(${module} PROPERTIES RUN_SERIAL ON)
