# SPDX-License-Identifier: BSL-1.0
"""Which page of docs/reference a public name stands on; see tools/reference."""

# page: title, what it is about, names in the order of the page. A name is a regular expression for the
# whole of it; `x` stands for `basic_x` too. A namespace (mitogen::log::*) is all of it.
PAGES = {
    "run": (
        "Programs", "How a program begins, and what it is configured with.",
        ["init", "run", "child_argument", "limits", "heartbeat", "warnings", "tree_rules", "instant",
         "duration_ns", "never"]),
    "router": (
        "Router and broker", "This context's place in the tree, its loop, and what it knows of others.",
        ["router", "router_options", "shutdown_timeouts", "broker",
         "broker_options", "context_status", "activity", "context_id", "root_id", "no_context",
         "connect_methods", "latch", "node", "node_of", "outstanding_call"]),
    "context": (
        "Contexts and calls", "One node of the tree as a value, and how functions are called there.",
        ["context", "call_methods", "call_target", "chain", "future", "select", "caller",
         "boot_info", "exit_status"]),
    "commands": (
        "Commands", "Programs of others that run in a context; see [commands](../commands.md).",
        ["command_methods", "run_options", "command_result", "line_callback", "line_end"]),
    "functions": (
        "Remote functions", "What a program says about its functions: where they run, how they are named.",
        ["on", "run_on", "remote", "name_of", "function_name", "function_signature",
         "function_identity"]),
    "channel": (
        "Channels", "Typed queues between contexts.",
        ["receiver", "sender", "broadcast", "broadcast_mode"]),
    "stream": (
        "Streams", "Remote ranges: what a remote generator yields.",
        ["generator", "remote_range"]),
    "dialog": (
        "Dialogs", "Items both ways, and one result.",
        ["dialog", "open_dialog"]),
    "task": (
        "Tasks", "Coroutines on the loop.",
        ["task", "sleep_for", "try_sleep_for", "spawn", "block_on", "spawned",
         "as_completed", "scope", "scope_handle", "this_scope", "shield", "check_scope"]),
    "nursery": (
        "Nurseries", "A scope that owns contexts and calls.",
        ["nursery", "nursery_options", "nursery_task", "restart", "restart_policy",
         "restarting_tasks", "restarted_dialog", "on_signal", "on_interrupt",
         "signal_set"]),
    "group": (
        "Groups", "Sets of contexts as one value, and pools of work over them; see [groups](../groups.md). Sets of names.",
        ["group", "group_calls", "group_calls_at_once", "group_target", "paced_group", "percent", "group_share",
         "group_results", "group_result", "call_phase", "group_stream", "group_future", "group_total", "group_kind",
         "connect_all_options", "pool", "pool_options", "pool_result", "pool_item", "pool_stream", "name_set",
         "name_slice"]),
    "debug": (
        "Debugger", "Stops in any context, and the variables that their prompt knows; see [debugger](../debugger.md).",
        ["breakpoint", "async_breakpoint", "use_debugger", "dump", "debug_client", "try_debug_client", "watch", "unwatch", "debugger_quit"]),
    "methods": (
        "Connection methods", "The options of every way to make a child; see [methods](../methods.md).",
        ["local", "fork_options", "ssh", "host_keys", "sudo", "su", "doas", "docker",
         "podman", "buildah", "kubectl", "lxc", "lxd", "incus", "jail", "chroot_options", "nsenter",
         "container_kind", "slurm", "command", "link_options", "payload", "connection_method",
         "any_method", "attach", "connect_progress",
         "prompt", "prompt_callback", "serializable_method", "boot_plan", "boot_failure"]),
    "join": (
        "Joining a tree", "Programs that become contexts of a tree that runs already.",
        ["join", "try_join", "join_options", "joined", "listen_options", "listener",
         "authority"]),
    "errors": (
        "Errors and results", "What can go wrong; see [errors](../errors.md).",
        ["error", "kind", "reason", "result", "error_detail", "cancel_radius", r"\w+_error",
         "error_group", "error_hop", "reason_name", "rethrowable", "group_errors", "raise",
         "cancelled_by", "cancelled_by_caller", "ended_by"]),
    "codec": (
        "Types on the wire", "How values become bytes, and how to teach it a type.",
        ["codec", "members", "list", "wire_type", "blob", "secret", "encode", "encode_into",
         "encoded_size", "decode", "decode_into", "writer", "reader", "signature_of",
         "signature_sink", "buffer", "depth_guard", "know_error_category"]),
    "message": (
        "Messages and handles", "Typed messages beside calls.",
        ["handle", "handle_id", "first_dynamic_handle", "is_dead", "message", "header",
         "handler_options", "senders", "mitogen::handles::*"]),
    "log": (
        "Logs", "Records of the whole tree; see [logs](../logs.md).",
        ["mitogen::log::*"]),
    "io": (
        "I/O policies", "Pollers, threads, clocks; see [policies](../policies.md).",
        ["unique_function", "mitogen::io::*"]),
    "simulation": (
        "Simulation", "Virtual time and simulated hosts; see [simulation](../simulation.md).",
        ["mitogen::simulation::*"]),
}
