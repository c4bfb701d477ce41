// SPDX-License-Identifier: MIT
//
// The files of scenarios.

#include "model.h"

extern const struct model_scenario model_self_scenarios[];
extern const struct model_scenario model_clock_scenarios[];
extern const struct model_scenario model_lock_scenarios[];
extern const struct model_scenario model_biased_scenarios[];
extern const struct model_scenario model_hand_scenarios[];
extern const struct model_scenario model_runq_scenarios[];
extern const struct model_scenario model_queue_scenarios[];
extern const struct model_scenario model_idle_scenarios[];
extern const struct model_scenario model_waker_scenarios[];
extern const struct model_scenario model_slab_scenarios[];
extern const struct model_scenario model_task_scenarios[];
extern const struct model_scenario model_driver_scenarios[];
extern const struct model_scenario model_timer_scenarios[];
extern const struct model_scenario model_source_scenarios[];
extern const struct model_scenario model_op_scenarios[];
extern const struct model_scenario model_reactor_scenarios[];
extern const struct model_scenario model_poller_scenarios[];
extern const struct model_scenario model_channel_scenarios[];
extern const struct model_scenario model_pool_scenarios[];
extern const struct model_scenario model_block_on_scenarios[];
extern const struct model_scenario model_executor_scenarios[];
extern const struct model_scenario model_sched_scenarios[];
extern const struct model_scenario model_spin_scenarios[];
extern const struct model_scenario model_dump_scenarios[];
extern const struct model_scenario model_observe_scenarios[];
extern const struct model_scenario model_jump_scenarios[];
extern const struct model_scenario model_net_scenarios[];
extern const struct model_scenario model_signal_scenarios[];
extern const struct model_scenario model_process_scenarios[];
extern const struct model_scenario model_scope_scenarios[];
extern const struct model_scenario model_oneshot_scenarios[];
extern const struct model_scenario model_mutex_scenarios[];
extern const struct model_scenario model_rwlock_scenarios[];
extern const struct model_scenario model_semaphore_scenarios[];
extern const struct model_scenario model_notify_scenarios[];
extern const struct model_scenario model_sync_scenarios[];
extern const struct model_scenario model_broadcast_scenarios[];
extern const struct model_scenario model_watch_scenarios[];

// clang-format off
const struct model_scenario *const model_scenario_files[] = {
    model_self_scenarios,
    model_clock_scenarios,
    model_lock_scenarios,
    model_biased_scenarios,
    model_hand_scenarios,
    model_runq_scenarios,
    model_queue_scenarios,
    model_idle_scenarios,
    model_waker_scenarios,
    model_slab_scenarios,
    model_task_scenarios,
    model_driver_scenarios,
    model_timer_scenarios,
    model_source_scenarios,
    model_op_scenarios,
    model_reactor_scenarios,
    model_poller_scenarios,
    model_channel_scenarios,
    model_pool_scenarios,
    model_block_on_scenarios,
    model_executor_scenarios,
    model_sched_scenarios,
    model_spin_scenarios,
    model_dump_scenarios,
    model_observe_scenarios,
    model_jump_scenarios,
    model_net_scenarios,
    model_signal_scenarios,
    model_process_scenarios,
    model_scope_scenarios,
    model_oneshot_scenarios,
    model_mutex_scenarios,
    model_rwlock_scenarios,
    model_semaphore_scenarios,
    model_notify_scenarios,
    model_sync_scenarios,
    model_broadcast_scenarios,
    model_watch_scenarios,
    NULL,
};
