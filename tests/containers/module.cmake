# SPDX-License-Identifier: BSL-1.0
# Daemons that are started take their time where much else runs.

set_tests_properties(${module} PROPERTIES PROCESSORS 2)
