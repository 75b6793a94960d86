//! The list of all cases, and the macros that make something of it.

/// One test for each case of the contract of [stores](crate::store), in the module it stands in.
///
/// Takes a [`StoreFactory`](crate::testkit::store::StoreFactory), and before it attributes for each
/// test, such as `#[ignore = "no server"]`. Needs `tokio` with `macros`, `rt-multi-thread` and `time`
/// among the dependencies of the test.
#[macro_export]
macro_rules! store_contract {
    (@cases $what:ident $($with:tt)*) => {
        $crate::contract_cases! { $what [$crate::testkit::store::run] $($with)*
            all_faces {
                all_faces_1_time_may_go_backwards
                all_faces_1_any_time_can_be_stored
                all_faces_1_times_are_exact_to_the_millisecond
                all_faces_3_what_one_call_committed_the_next_one_sees
                all_faces_3_a_record_is_read_whole
                all_faces_6_a_call_that_is_repeated_counts_once
                all_faces_7_entries_are_in_the_order_in_which_they_were_appended
                all_faces_7_of_overlapping_appends_each_keeps_its_own_order
                all_faces_8_no_debug_form_shows_a_secret
                all_faces_5_odd_identifiers_are_identifiers
                all_faces_5_odd_owners_and_streams_are_kept_apart
                all_faces_3_another_process_sees_what_this_one_did
                receiver_12_a_wait_ends_when_another_process_emits_after_the_mark
                receiver_12_waits_hinder_nothing_and_may_be_dropped
                store_1_each_outbox_commits_each_append_on_its_own
                all_faces_5_an_issuer_without_anything_is_answered
            }
            isolation {
                all_faces_5_a_foreign_stream_is_answered_like_one_that_does_not_exist
                all_faces_4_no_receiver_of_another_issuer_reaches_anything
                all_faces_4_no_worker_of_another_issuer_reaches_anything
                all_faces_4_no_operator_of_another_issuer_reaches_anything
                all_faces_4_no_emission_of_another_issuer_reaches_anything
                all_faces_4_issuers_with_the_same_names_do_not_meet
            }
            dropped {
                all_faces_2_create_stream_is_atomic
                all_faces_2_update_stream_is_atomic
                all_faces_2_delete_stream_is_atomic
                all_faces_2_change_subject_is_atomic
                all_faces_2_queue_verification_is_atomic
                all_faces_2_acknowledge_is_atomic
                all_faces_2_keep_polled_is_atomic
                all_faces_2_touch_is_atomic
                all_faces_2_claim_is_atomic
                all_faces_2_keep_tokens_is_atomic
                all_faces_2_settle_is_atomic
                all_faces_2_sweep_is_atomic
                all_faces_2_give_up_held_is_atomic
                all_faces_2_suspend_and_resume_are_atomic
                all_faces_2_redrive_is_atomic
                all_faces_2_append_is_atomic
                all_faces_2_after_a_dropped_call_everything_goes_on
            }
            streams {
                receiver_1_an_owner_has_at_most_so_many_streams
                receiver_1_the_owners_of_a_tenant_together_have_at_most_so_many_streams
                receiver_1_streams_are_counted_within_the_issuer
                receiver_1_an_identifier_is_given_once_whoever_the_owner_is
                receiver_1_of_creations_at_once_as_many_succeed_as_there_may_be
                receiver_2_streams_are_listed_in_the_order_of_creation
                receiver_2_a_record_is_read_as_it_was_written
                receiver_3_a_change_is_committed_only_on_the_version_it_was_decided_on
                receiver_3_of_changes_at_once_on_one_version_one_is_committed
                receiver_3_an_announcement_is_queued_with_the_change
                receiver_3_an_announcement_under_a_taken_identifier_changes_nothing
                receiver_3_a_stream_that_starts_again_has_not_failed_yet
                receiver_3_a_changed_delivery_has_not_failed_yet
                receiver_3_control_entries_wait_no_longer_when_a_stream_starts_anew
                receiver_3_a_control_entry_that_is_held_stays_held_when_a_stream_starts_anew
                receiver_3_a_stream_that_becomes_enabled_counts_as_active
                receiver_3_a_change_is_committed_only_if_what_it_was_decided_on_is_still_so
                receiver_3_what_is_known_of_a_receiver_outlasts_a_stop_and_not_a_move
                receiver_4_disabling_discards_what_waits_but_not_the_announcement
                receiver_4_what_is_discarded_leaves_nothing_for_what_comes_later
                receiver_4_no_stopped_stream_of_a_suspended_owner_is_enabled
                receiver_5_deleting_a_stream_removes_everything_of_it
                receiver_5_a_stream_that_gets_the_identifier_later_inherits_nothing
            }
            subjects {
                receiver_6_on_a_stream_with_all_subjects_a_removal_excludes_until_it_is_cancelled
                receiver_6_on_a_stream_without_subjects_an_addition_includes_until_it_is_deleted
                receiver_6_a_change_concerns_one_stream
                receiver_6_a_stream_lists_at_most_so_many_subjects
                receiver_6_a_later_removal_of_what_was_never_added_is_nothing
                receiver_6_a_subject_is_compared_as_it_is
                receiver_6_the_subject_of_the_stream_itself_cannot_be_removed
                receiver_6_a_later_removal_takes_effect_at_its_time
                receiver_6_an_addition_meanwhile_cancels_a_later_removal
                receiver_6_an_addition_after_a_later_removal_took_effect_counts
                operator_3_interest_says_what_an_emission_at_that_time_finds
            }
            verifications {
                receiver_7_verifications_keep_their_distance
                receiver_7_of_verifications_at_once_one_is_queued
                receiver_7_a_newer_verification_replaces_an_unsettled_one_though_it_is_held
                receiver_7_a_verification_is_held_on_a_paused_stream_and_dropped_on_a_disabled_one
                receiver_7_a_verification_under_a_taken_identifier_changes_nothing
                receiver_7_what_the_transmitter_starts_does_not_count_for_the_receivers_interval
                receiver_7_the_transmitter_keeps_its_distance_from_both_sides
                receiver_7_a_verification_of_the_transmitter_replaces_none
                receiver_8_the_round_trip_of_a_verification_is_noted_for_polls_and_pushes
                worker_13_unverified_streams_are_the_enabled_ones_that_waited_longest
            }
            acknowledgements {
                receiver_8_acknowledged_sets_are_delivered_and_never_come_again
                receiver_8_unknown_settled_and_foreign_identifiers_are_ignored
                receiver_8_one_that_is_named_twice_is_settled_once
                receiver_8_a_set_named_both_ways_ends_as_a_dead_letter
                receiver_8_acknowledging_works_in_every_status_and_by_every_delivery
                receiver_8_acknowledging_works_on_a_disabled_stream
                receiver_8_a_set_that_was_pushed_may_be_acknowledged
                receiver_8_an_acknowledgement_is_a_success_of_the_stream
                receiver_8_acknowledgements_at_once_settle_each_set_once
                receiver_11_a_touch_notes_the_latest_activity
            }
            polls {
                receiver_9_a_poll_gets_control_first_then_the_oldest_and_again_until_acknowledged
                receiver_9_a_poll_gets_at_most_so_many_and_whether_there_are_more
                receiver_9_a_poll_of_a_stopped_stream_gets_only_the_announcement_of_the_stop
                receiver_9_a_push_stream_cannot_be_polled
                receiver_9_what_is_hidden_is_given_to_no_other_poll_nor_what_stands_behind_it
                receiver_9_control_entries_are_hidden_in_their_order_and_hold_no_other_up
                receiver_9_more_counts_nothing_that_is_hidden
                receiver_10_the_first_token_of_a_polled_set_wins
                receiver_10_an_old_fence_is_gone
                receiver_10_of_tokens_kept_at_once_the_first_wins
                receiver_10_what_another_poll_hid_meanwhile_is_gone_and_so_is_what_stands_behind_it
                receiver_10_of_polls_that_hide_at_once_one_gets_each_set
                receiver_10_without_hiding_nothing_is_hidden
                receiver_10_a_stream_that_starts_again_or_is_delivered_anew_hides_nothing
                receiver_10_the_first_token_kept_is_the_first_attempt
            }
            worker {
                worker_1_no_entry_is_claimed_twice_while_its_lease_lasts
                worker_1_a_claim_gets_at_most_what_it_asks_for
                worker_7_a_lease_that_ran_out_makes_its_entry_claimable_unchanged
                worker_1_a_fence_is_higher_than_any_before
                worker_1_entries_follow_their_stream_from_push_to_poll_and_back
                worker_1_a_claim_tells_all_that_a_push_needs
                worker_2_of_each_order_key_only_the_oldest_is_claimed
                worker_2_an_order_key_is_one_of_its_stream
                worker_2_the_next_of_a_key_waits_for_a_lease_that_lasts
                worker_2_control_entries_go_first_in_the_order_written_one_at_a_time
                worker_2_control_entries_are_returned_before_all_others
                worker_2_the_announcement_of_a_stop_waits_for_the_verification_that_is_held
                worker_2_a_control_entry_is_claimed_while_as_many_others_are_held_as_may_be
                worker_2_a_control_entry_that_waits_for_its_retry_holds_nothing_up
                worker_2_no_stream_gets_a_second_entry_while_one_that_could_get_its_first_goes_without
                worker_2_a_stream_has_at_most_so_many_held_at_once
                worker_3_only_what_may_leave_is_claimed
                worker_14_a_claim_for_signed_entries_gets_those_whose_key_is_named
                worker_1_claimers_at_once_never_hold_the_same_entry
                worker_2_emitters_and_workers_at_once_keep_the_order_of_each_key
            }
            settling {
                worker_6_a_claim_whose_lease_ran_out_ends_if_nobody_claimed_again
                worker_5_the_first_token_wins_until_its_key_is_replaced
                worker_5_a_token_of_an_old_claim_or_of_what_is_gone_is_not_kept
                worker_5_keeping_a_token_tells_the_route_as_it_is_now
                worker_5_no_token_is_kept_for_what_may_no_longer_leave
                worker_5_the_first_token_kept_is_the_first_attempt
                worker_5_of_tokens_kept_at_once_the_first_wins
                worker_6_settling_ends_claims_as_each_fate_says
                worker_6_settling_what_is_gone_changes_nothing
                worker_6_an_old_fence_changes_nothing
                worker_6_of_a_batch_what_is_gone_hinders_nothing_else
            }
            breaker {
                worker_3_an_open_breaker_holds_ordinary_entries_back
                worker_3_a_half_open_breaker_lets_one_probe_out_at_a_time
                worker_3_the_probe_is_one_that_was_never_tried
                worker_3_the_lease_of_a_probe_runs_out_like_any_other
                worker_3_no_other_worker_gets_a_second_probe
                worker_3_no_probe_goes_out_while_earlier_entries_are_held
                worker_3_a_verification_does_not_wait_for_the_breaker_until_it_failed_with_its_stream
                worker_2_a_verification_does_not_wait_behind_an_announcement_that_failed
                worker_2_an_announcement_does_not_wait_behind_a_verification_that_waits
                worker_3_no_ordinary_entry_overtakes_an_announcement_that_failed_with_the_stream
                worker_3_a_verification_that_failed_is_the_probe_only_if_nothing_else_can_be
                worker_3_a_verification_that_goes_back_without_an_attempt_still_does_not_wait
                worker_3_a_retry_after_holds_control_entries_back_too
                worker_6_a_failing_stream_leaves_others_alone
                worker_6_what_failed_with_its_stream_comes_back_untouched
                worker_6_a_stream_that_refuses_too_often_is_named_once
                worker_6_every_verdict_of_a_batch_is_returned_once
                worker_6_health_is_kept_as_the_rules_make_it
                worker_6_health_of_another_generation_is_ignored
            }
            places {
                worker_2_slow_streams_take_their_share_and_leave_the_others_theirs
                worker_2_streams_of_unknown_pace_leave_half_to_those_that_are_known_to_answer
                worker_2_control_entries_have_places_of_their_own_and_go_first
                worker_2_a_full_host_is_passed_over_and_its_streams_keep_their_turn
                worker_2_a_host_is_one_however_it_is_written
                worker_10_what_there_is_no_place_for_is_not_due
                receiver_3_a_changed_delivery_has_no_known_pace
                worker_10_next_due_tells_retries_and_the_ends_of_leases
                worker_10_what_a_claim_left_is_due_at_once
                worker_10_what_waits_behind_a_head_is_due_with_it
                worker_10_next_due_of_a_stream_with_as_many_held_as_may_be_is_the_end_of_a_lease
            }
            upkeep {
                worker_8_a_sweep_removes_old_dead_letters_in_bounded_batches
                worker_8_a_sweep_removes_nothing_else
                worker_9_idle_streams_are_the_enabled_ones_the_longest_idle_first
                worker_11_streams_that_hold_entries_are_listed_page_by_page
                worker_11_the_counters_follow_every_way_an_entry_goes
                worker_12_the_oldest_are_given_up_while_there_are_too_many
                worker_12_each_limit_is_named_by_the_letters
                worker_12_an_entry_in_a_claim_that_lasts_is_left_where_it_is
                worker_12_an_entry_that_is_hidden_from_polls_is_left_where_it_is
                worker_12_a_stream_that_is_gone_or_is_pushed_to_has_none_to_give_up
                worker_12_what_is_given_up_while_it_is_acknowledged_ends_once
            }
            operator {
                operator_1_a_stream_is_found_whoever_its_owner_is
                operator_2_overviews_come_in_pages_of_a_stable_order
                operator_2_an_overview_tells_what_waits_since_when_and_until_when
                operator_2_the_list_shows_what_the_overview_shows
                operator_4_a_suspended_owner_gets_no_new_stream_until_it_is_resumed
                operator_4_an_owner_without_streams_may_be_suspended
                operator_5_dead_letters_are_listed_in_the_order_of_their_places
                operator_5_a_dead_letter_has_all_that_another_life_needs
                operator_5_a_filter_narrows_the_choice
                operator_6_a_redriven_letter_waits_as_the_newest_with_what_it_was
                operator_6_a_redrive_is_all_or_nothing_and_knows_what_is_gone
                operator_6_a_control_set_stays_dead
                operator_6_nothing_is_redriven_on_a_disabled_stream
                operator_6_of_redrives_at_once_one_is_done
                operator_7_totals_count_deleted_streams_and_add_up
                operator_7_every_entry_is_counted_where_it_ended
            }
            outbox {
                outbox_1_candidates_are_the_streams_that_deliver_the_type
                outbox_1_a_paused_stream_is_a_candidate_and_a_disabled_one_is_not
                outbox_1_a_change_of_the_types_delivered_changes_the_candidates
                outbox_1_a_stream_that_began_with_none_is_a_candidate_for_what_it_added
                outbox_2_each_stream_gets_an_entry_of_the_event
                outbox_2_the_body_stays_until_the_last_entry_has_ended
                outbox_2_an_append_is_all_or_nothing
                outbox_3_a_stream_that_is_gone_or_disabled_since_is_skipped_and_reported
                outbox_3_emissions_and_changes_of_the_stream_at_once_add_up
                outbox_4_a_repeated_key_stores_nothing_and_returns_the_first_result
                outbox_4_a_key_is_one_of_its_issuer_and_compared_as_it_is
                outbox_4_of_appends_at_once_with_one_key_one_stores
                outbox_4_keys_are_kept_until_they_are_swept
                outbox_5_an_entry_is_accepted_when_append_returns
            }
            history {
                history_any_history_keeps_the_promises
            }
            compared {
                compared_any_history_is_answered_as_by_the_store_in_memory
            }
        }
    };
    ($(#[$attribute:meta])* $factory:expr) => {
        $crate::store_contract! { @cases tests [$(#[$attribute])*] [$factory] }
    };
}

/// One test for each case of the contract of [`IdentityStore`](crate::store::IdentityStore), for a
/// [`StoreFactory`](crate::testkit::store::StoreFactory) whose store is one. Otherwise like
/// [`store_contract!`](crate::store_contract).
#[macro_export]
macro_rules! identity_contract {
    (@cases $what:ident $($with:tt)*) => {
        $crate::contract_cases! { $what [$crate::testkit::store::run_identity] $($with)*
            identities {
                identities_1_identities_are_read_in_the_order_given
                identities_1_the_revision_of_the_conditions_is_read_with_them
                identities_2_a_commit_under_other_conditions_does_nothing
                identities_3_a_write_happens_on_the_revision_it_was_decided_on
                identities_3_of_writes_at_once_on_one_revision_one_happens
                identities_4_a_write_stores_what_it_means_in_its_order
                identities_4_a_write_is_all_or_nothing
                identities_5_no_revision_comes_twice
                identities_6_writes_of_different_identities_go_beside_each_other
                identities_7_conditions_are_replaced_by_compare_and_set
                identities_7_of_replacements_at_once_one_happens
                identities_8_failures_come_in_pages
                identities_8_a_failure_is_read_as_it_was_written
                identities_9_the_end_of_a_failure_stores_its_events
                identities_9_of_ends_at_once_one_happens
                identities_10_a_forgotten_identity_leaves_nothing
                identities_11_nothing_of_another_issuer_is_reached
                identities_11_no_debug_form_shows_values
                all_faces_2_commit_identities_is_atomic
                all_faces_2_replace_conditions_is_atomic
                all_faces_2_end_failure_is_atomic
                all_faces_2_forget_identity_is_atomic
                identities_4_commits_and_emissions_at_once_all_count
            }
        }
    };
    ($(#[$attribute:meta])* $factory:expr) => {
        $crate::identity_contract! { @cases tests [$(#[$attribute])*] [$factory] }
    };
}

/// What becomes of a list of cases: a table, or a test for each.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_cases {
    (table [$run:path] $($face:ident { $($case:ident)* })*) => {
        vec![$($($crate::testkit::store::Case::new(stringify!($case), |bench| {
            Box::pin(async move { $crate::testkit::store::$face::$case(&bench).await })
        })),*),*]
    };
    (tests [$run:path] $attributes:tt $factory:tt $($face:ident { $($case:ident)* })*) => {
        $($($crate::contract_cases! { test [$run] $attributes $factory $face $case })*)*
    };
    (test [$run:path] [$(#[$attribute:meta])*] [$factory:expr] $face:ident $case:ident) => {
        $(#[$attribute])*
        #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let case = $crate::testkit::store::Case::new(stringify!($case), |bench| {
                Box::pin(async move { $crate::testkit::store::$face::$case(&bench).await })
            });
            $run(&$factory, &case, |task| {
                let task = ::tokio::spawn(task);
                let longest = $crate::testkit::store::LONGEST;
                Box::pin(async move {
                    match ::tokio::time::timeout(longest, task).await {
                        Ok(ended) => ended.map_err(|failed| failed.into_panic()),
                        Err(_) => $crate::testkit::store::too_long(),
                    }
                })
            })
            .await;
        }
    };
}
