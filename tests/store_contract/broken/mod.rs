//! The suite catches: stores that break a sentence each fail the case of that sentence.
//!
//! Every row names a fault, the case that is there for it, and the others that fail because of it:
//! exactly these, of all cases, fail. Some faults are in the way of so many cases that only the one
//! is named.

mod identities;
mod operator;
mod outbox;
mod receiver;
mod store;
mod worker;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::thread;

use async_trait::async_trait;
use ssf_transmitter::testkit::block_on;
use ssf_transmitter::testkit::store::{
    Ended, StoreFactory, Task, cases, identity_cases, run, run_identity,
};

use self::store::{Broken, Fault};

#[async_trait]
impl StoreFactory for Fault {
    type Store = Broken;
    type Guard = ();

    async fn open(&self) -> (Broken, ()) {
        (Broken::new(*self), ())
    }

    // Whatever is wrong, some history finds it: that says nothing about the other cases.
    fn histories(&self) -> u32 {
        0
    }
}

thread_local! {
    /// Whether failures on this thread are expected, and nobody needs to read of them.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static QUIETED: Once = Once::new();

/// Runs a task on a thread of its own, which fails quietly.
fn on_a_thread(task: Task) -> Ended {
    QUIETED.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                loud(panic);
            }
        }));
    });
    let thread = thread::spawn(|| {
        QUIET.set(true);
        block_on(task);
    });
    Box::pin(async { thread.join() })
}

/// The cases, of those asked for, that a store with that fault fails.
fn failing(fault: Fault, asked: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let fails = |case: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(case)).is_err();
    let mut failing = Vec::new();
    for case in cases().into_iter().filter(|case| asked(case.name())) {
        if fails(&mut || block_on(run(&fault, &case, on_a_thread))) {
            failing.push(case.name());
        }
    }
    for case in identity_cases().into_iter().filter(|case| asked(case.name())) {
        if fails(&mut || block_on(run_identity(&fault, &case, on_a_thread))) {
            failing.push(case.name());
        }
    }
    failing.sort_unstable();
    failing
}

/// Holds a fault to it that exactly these cases fail.
fn assert_caught(fault: Fault, case: &str, others: &[&str]) {
    let failing = failing(fault, |_| true);
    assert!(failing.contains(&case), "{case} lets {fault:?} pass");
    let mut expected = others.to_vec();
    expected.push(case);
    expected.sort_unstable();
    assert_eq!(failing, expected, "{fault:?}");
}

/// A test for each fault: the case that is there for it, and which others fail.
macro_rules! caught {
    ($($fault:ident by $case:ident $(and $other:ident)* $(among $others:ident)?;)*) => {
        $(
            #[test]
            #[allow(non_snake_case, reason = "it is the name of a fault")]
            fn $fault() {
                caught!(@ $fault $case [$($other)*] $($others)?);
            }
        )*
    };
    (@ $fault:ident $case:ident [] others) => {
        let case = stringify!($case);
        assert_eq!(failing(Fault::$fault, |other| other == case), [case]);
    };
    (@ $fault:ident $case:ident [$($other:ident)*]) => {
        assert_caught(Fault::$fault, stringify!($case), &[$(stringify!($other)),*]);
    };
}

caught! {
    RoundsTimesToSeconds by all_faces_1_times_are_exact_to_the_millisecond among others;
    AppendsEntryByEntry by all_faces_2_append_is_atomic among others;
    SettlesEntryByEntry by all_faces_2_settle_is_atomic;
    ClaimsForAnyIssuer by all_faces_4_no_worker_of_another_issuer_reaches_anything;
    ForgetsTheOwner by all_faces_5_a_foreign_stream_is_answered_like_one_that_does_not_exist;
    TakesNamesInAnyCase by all_faces_5_odd_owners_and_streams_are_kept_apart
        and all_faces_5_a_foreign_stream_is_answered_like_one_that_does_not_exist;
    ShowsSecrets by all_faces_8_no_debug_form_shows_a_secret;
    IgnoresTheQuota by receiver_1_an_owner_has_at_most_so_many_streams
        and all_faces_5_an_issuer_without_anything_is_answered
        and receiver_1_of_creations_at_once_as_many_succeed_as_there_may_be;
    IgnoresTheTenantsQuota by receiver_1_the_owners_of_a_tenant_together_have_at_most_so_many_streams
        and receiver_1_of_creations_at_once_as_many_succeed_as_there_may_be;
    ChecksTheQuotaBefore by receiver_1_of_creations_at_once_as_many_succeed_as_there_may_be among others;
    ListsByTime by receiver_2_streams_are_listed_in_the_order_of_creation;
    IgnoresTheVersion by receiver_3_a_change_is_committed_only_on_the_version_it_was_decided_on
        and all_faces_6_a_call_that_is_repeated_counts_once
        and receiver_3_of_changes_at_once_on_one_version_one_is_committed;
    IgnoresWhatIsProvided by receiver_3_a_change_is_committed_only_if_what_it_was_decided_on_is_still_so;
    LosesTheAnnouncement by receiver_3_an_announcement_is_queued_with_the_change among others;
    EmptiesOnConflict by receiver_3_a_change_is_committed_only_on_the_version_it_was_decided_on
        and all_faces_6_a_call_that_is_repeated_counts_once
        and receiver_3_a_change_is_committed_only_if_what_it_was_decided_on_is_still_so;
    KeepsTheQueueOfTheDisabled by receiver_4_disabling_discards_what_waits_but_not_the_announcement
        and operator_7_every_entry_is_counted_where_it_ended
        and receiver_4_what_is_discarded_leaves_nothing_for_what_comes_later
        and worker_11_the_counters_follow_every_way_an_entry_goes;
    EnablesForTheSuspended by receiver_4_no_stopped_stream_of_a_suspended_owner_is_enabled;
    KeepsSubjectsOfTheDeleted by receiver_5_a_stream_that_gets_the_identifier_later_inherits_nothing;
    LosesRemovals by receiver_6_on_a_stream_with_all_subjects_a_removal_excludes_until_it_is_cancelled among others;
    RemovesAtOnce by receiver_6_a_later_removal_takes_effect_at_its_time
        and operator_3_interest_says_what_an_emission_at_that_time_finds
        and receiver_6_a_stream_lists_at_most_so_many_subjects;
    ListsAnyNumberOfSubjects by receiver_6_a_stream_lists_at_most_so_many_subjects;
    IgnoresTheInterval by receiver_7_verifications_keep_their_distance
        and receiver_7_of_verifications_at_once_one_is_queued
        and receiver_7_the_transmitter_keeps_its_distance_from_both_sides;
    AcknowledgesForeignSets by receiver_8_unknown_settled_and_foreign_identifiers_are_ignored;
    PrefersAcknowledgements by receiver_8_a_set_named_both_ways_ends_as_a_dead_letter;
    PollsNewestFirst by receiver_9_a_poll_gets_control_first_then_the_oldest_and_again_until_acknowledged among others;
    HandsOutOnce by receiver_9_a_poll_gets_control_first_then_the_oldest_and_again_until_acknowledged among others;
    NeverHasMore by receiver_9_a_poll_gets_at_most_so_many_and_whether_there_are_more
        and receiver_9_more_counts_nothing_that_is_hidden;
    HidesNothing by receiver_9_what_is_hidden_is_given_to_no_other_poll_nor_what_stands_behind_it among others;
    IgnoresActivity by receiver_11_a_touch_notes_the_latest_activity
        and all_faces_2_touch_is_atomic
        and receiver_3_a_change_is_committed_only_if_what_it_was_decided_on_is_still_so
        and receiver_3_a_stream_that_becomes_enabled_counts_as_active
        and worker_9_idle_streams_are_the_enabled_ones_the_longest_idle_first;
    ClaimsTwice by worker_1_no_entry_is_claimed_twice_while_its_lease_lasts among others;
    ClaimsOneMore by worker_1_a_claim_gets_at_most_what_it_asks_for among others;
    NeverEndsALease by worker_7_a_lease_that_ran_out_makes_its_entry_claimable_unchanged among others;
    IgnoresThePlaces by worker_2_slow_streams_take_their_share_and_leave_the_others_theirs among others;
    IgnoresTheLimitPerStream by worker_2_a_stream_has_at_most_so_many_held_at_once
        and worker_10_next_due_of_a_stream_with_as_many_held_as_may_be_is_the_end_of_a_lease;
    ReplacesTheFirstToken by worker_5_the_first_token_wins_until_its_key_is_replaced
        and worker_5_a_token_of_an_old_claim_or_of_what_is_gone_is_not_kept
        and worker_5_of_tokens_kept_at_once_the_first_wins;
    KeepsTokensForWhatIsGone by worker_5_a_token_of_an_old_claim_or_of_what_is_gone_is_not_kept
        and receiver_4_disabling_discards_what_waits_but_not_the_announcement
        and worker_5_no_token_is_kept_for_what_may_no_longer_leave;
    TakesAnOldFence by worker_6_an_old_fence_changes_nothing
        and worker_7_a_lease_that_ran_out_makes_its_entry_claimable_unchanged;
    CountsDeferrals by worker_6_what_failed_with_its_stream_comes_back_untouched among others;
    SwapsTheSettled by worker_6_of_a_batch_what_is_gone_hinders_nothing_else;
    ForgetsHealth by worker_6_health_is_kept_as_the_rules_make_it among others;
    TakesHealthOfAnyGeneration by worker_6_health_of_another_generation_is_ignored;
    NamesVerdictsTwice by worker_6_a_stream_that_refuses_too_often_is_named_once
        and worker_6_every_verdict_of_a_batch_is_returned_once
        and worker_6_health_is_kept_as_the_rules_make_it;
    SweepsUnbounded by worker_8_a_sweep_removes_old_dead_letters_in_bounded_batches
        and outbox_4_keys_are_kept_until_they_are_swept;
    NamesTheBusiestFirst by worker_9_idle_streams_are_the_enabled_ones_the_longest_idle_first;
    WakesLate by worker_10_next_due_tells_retries_and_the_ends_of_leases among others;
    WakesAgainAndAgain by worker_10_next_due_tells_retries_and_the_ends_of_leases among others;
    PagesHeldFromTheStart by worker_11_streams_that_hold_entries_are_listed_page_by_page;
    GivesUpWhatIsClaimed by worker_12_an_entry_in_a_claim_that_lasts_is_left_where_it_is
        and worker_12_an_entry_that_is_hidden_from_polls_is_left_where_it_is
        and worker_12_each_limit_is_named_by_the_letters;
    ClaimsUnsigned by worker_14_a_claim_for_signed_entries_gets_those_whose_key_is_named;
    NamesTheLastVerifiedFirst by worker_13_unverified_streams_are_the_enabled_ones_that_waited_longest;
    PagesInclusively by operator_2_overviews_come_in_pages_of_a_stable_order
        and all_faces_5_odd_owners_and_streams_are_kept_apart;
    CountsDeliveriesTwice by operator_7_totals_count_deleted_streams_and_add_up among others;
    NeverSuspends by operator_4_a_suspended_owner_gets_no_new_stream_until_it_is_resumed
        and all_faces_2_suspend_and_resume_are_atomic
        and operator_4_an_owner_without_streams_may_be_suspended
        and receiver_4_no_stopped_stream_of_a_suspended_owner_is_enabled;
    ListsLettersBackwards by operator_5_dead_letters_are_listed_in_the_order_of_their_places among others;
    IgnoresTheFilter by operator_5_a_filter_narrows_the_choice;
    RedrivesByHalves by operator_6_a_redrive_is_all_or_nothing_and_knows_what_is_gone;
    AsksForInterestAtNoTime by operator_3_interest_says_what_an_emission_at_that_time_finds;
    OffersDisabledStreams by outbox_1_a_paused_stream_is_a_candidate_and_a_disabled_one_is_not among others;
    LosesTheLastEntry by outbox_2_each_stream_gets_an_entry_of_the_event among others;
    ForgetsOrderKeys by worker_2_of_each_order_key_only_the_oldest_is_claimed among others;
    ReportsNothingSkipped by outbox_3_a_stream_that_is_gone_or_disabled_since_is_skipped_and_reported
        and all_faces_4_no_emission_of_another_issuer_reaches_anything;
    ForgetsKeys by outbox_4_a_repeated_key_stores_nothing_and_returns_the_first_result
        and all_faces_5_odd_identifiers_are_identifiers
        and identities_4_a_write_stores_what_it_means_in_its_order
        and outbox_4_keys_are_kept_until_they_are_swept
        and outbox_4_of_appends_at_once_with_one_key_one_stores;
    ChecksKeysBefore by outbox_4_of_appends_at_once_with_one_key_one_stores among others;
    IgnoresTheConditions by identities_2_a_commit_under_other_conditions_does_nothing;
    ReadsBackwards by identities_1_identities_are_read_in_the_order_given;
    ReplacesConditionsOfAnyRevision by identities_7_conditions_are_replaced_by_compare_and_set
        and identities_7_of_replacements_at_once_one_happens;
    IgnoresTheRevision by identities_3_a_write_happens_on_the_revision_it_was_decided_on
        and identities_3_of_writes_at_once_on_one_revision_one_happens;
    LosesFailures by identities_4_a_write_stores_what_it_means_in_its_order among others;
    KeepsFailuresOfTheForgotten by identities_10_a_forgotten_identity_leaves_nothing;
    PagesFailuresInclusively by identities_8_failures_come_in_pages;
    EndsFailuresByHalves by identities_9_the_end_of_a_failure_stores_its_events;
}

/// A store without a fault fails none, also when its tasks are threads.
#[test]
fn a_store_that_keeps_the_contract_passes_all_cases() {
    assert_eq!(failing(Fault::None, |_| true), [""; 0]);
}
