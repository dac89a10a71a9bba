// SPDX-License-Identifier: BSL-1.0
#pragma once
// node_task_scope.hpp: a task that runs beside a node of the tree.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/loop/loop_task.hpp>
#include <mitogen/loop/timer.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/task/task_scope.hpp>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A task's way to its loop.
class node_task_scope : public task_scope {
    mitogen::node& node_;

public:
    /// `subject`: the function_entry that it begins as; null: none.
    explicit node_task_scope(mitogen::node& node, const void* subject = nullptr)
        : task_scope(subject), node_(node) {}

    void post(loop_task& step) final {
        if (!node_.post(step)) this->post_here(step);
    }
    void set_timer(timer& t, instant at) final { node_.set_timer(t, at); }
    void cancel_timer(timer& t) noexcept final { node_.cancel_timer(t); }
    mitogen::node& port() noexcept final { return node_; }

protected:
    ~node_task_scope() = default;
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
