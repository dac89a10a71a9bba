// SPDX-License-Identifier: BSL-1.0
#pragma once
// container.hpp: children in containers: docker, podman, buildah, kubectl, lxc, lxd, incus, jail.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/connect/methods/options/buildah.hpp>
#include <mitogen/connect/methods/options/docker.hpp>
#include <mitogen/connect/methods/options/incus.hpp>
#include <mitogen/connect/methods/options/jail.hpp>
#include <mitogen/connect/methods/options/kubectl.hpp>
#include <mitogen/connect/methods/options/lxc.hpp>
#include <mitogen/connect/methods/options/lxd.hpp>
#include <mitogen/connect/methods/options/podman.hpp>
#include <mitogen/connect/router.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
