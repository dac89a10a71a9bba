// SPDX-License-Identifier: BSL-1.0
#pragma once
// container.hpp: children in containers: docker, podman, buildah, kubectl, lxc, lxd, incus, jail.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/method/container/buildah_options.hpp>
#include <mitogen/method/container/docker_options.hpp>
#include <mitogen/method/container/incus_options.hpp>
#include <mitogen/method/container/jail_options.hpp>
#include <mitogen/method/container/kubectl_options.hpp>
#include <mitogen/method/container/lxc_options.hpp>
#include <mitogen/method/container/lxd_options.hpp>
#include <mitogen/method/container/podman_options.hpp>
#include <mitogen/router/router.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
