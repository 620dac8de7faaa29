//! Bookings in the simulator: what people were told is theirs is counted beside what a desk has in its store, and its
//! money beside what the acquirer has moved, wherever a process dies, whatever the network does and whoever's clock is
//! wrong.

use foreshock::nodes::Kinds;

use crate::harness::{assert_balanced, broken, ends, plan, plan_with, ran, run_plan, shown, system};

/// A box office and an acquirer that take no time beside a millisecond on each link and ten at the acquirer.
fn theatre(tickets: &str, acquirer: &str, rest: &str) -> String {
    format!(
        "services:
  tickets:
    kind: box-office
    workers: unlimited
    rows: 10
    seats: 10
    hold: 30s
    checkout: 1s
    checkout_jitter: 2s
    ask_again: 1s
    calls: [{{to: acquirer, timeout: 300ms}}]
{tickets}
  acquirer:
    kind: payment-provider
    workers: unlimited
    service_time: 10ms
    calls: [{{to: tickets, timeout: 1s, retry: {{max_attempts: 10, backoff: {{kind: constant, base: 300ms}}}}}}]
{acquirer}
network: {{default: {{latency: 1ms}}}}
{rest}"
    )
}

const GUESTS: &str = "run: {duration: 30s, drain: 120s}
load: [{name: guests, to: tickets, rate: 5/s, timeout: 120s, keys: {uniform: {items: 1000000}}}]";

#[test]
fn two_who_overlap_both_get_the_seat_exactly_where_updates_can_be_lost() {
    for (isolation, is_sound) in [
        ("read_committed", false),
        ("repeatable_read", false),
        ("version_check", true),
        ("snapshot", true),
        ("serializable", true),
    ] {
        let tickets = format!("    isolation: {isolation}\n    transaction_time: 200ms\n    choice: best");
        let outcome = run_plan(&plan(&theatre(&tickets, "", GUESTS)), &Kinds::default());
        let broken = broken(&outcome);
        assert_eq!(broken.is_empty(), is_sound, "{isolation}: {broken:?}");
        assert_eq!(broken.contains(&"booked_once"), !is_sound, "{isolation}: {broken:?}");
        assert_eq!(shown(&outcome, "tickets", "sold_twice") == 0, is_sound);
        assert_eq!(shown(&outcome, "tickets", "conflicts") > 0, is_sound, "{isolation}");
    }
}

#[test]
fn locks_taken_in_order_keep_read_committed_right() {
    let tickets = "    isolation: read_committed\n    contention: pessimistic\n    transaction_time: 200ms\n    choice: best\n    tries: 20";
    let outcome = ran(&theatre(tickets, "", GUESTS));
    assert_eq!((shown(&outcome, "tickets", "sold_twice"), shown(&outcome, "tickets", "conflicts")), (0, 0));
    assert!(shown(&outcome, "tickets", "bookings_confirmed") > 50);
}

#[test]
fn money_that_comes_too_late_takes_the_seat_again_or_goes_back_and_a_longer_hold_makes_it_come_in_time() {
    let late = "    pending: 40%\n    settles_after: 45s";
    // New guests take what is free again for half a minute; after that it stays free.
    let guests = GUESTS.replace("duration: 30s, drain: 120s", "duration: 60s, drain: 200s");
    let guests = guests.replace("timeout: 120s", "timeout: 200s");
    let with = |tickets: &str| ran(&theatre(tickets, late, &guests));
    let outcome = with("    abandon: 10%");
    let (retaken, refused) =
        (shown(&outcome, "tickets", "retaken"), shown(&outcome, "tickets", "bookings_refused"));
    assert!(retaken > 0 && refused > 0, "{retaken} taken again, {refused} refused");
    let money = |name: &str| shown(&outcome, "tickets", name);
    assert_eq!(money("true_captured_minor"), money("booked_captured_minor"));
    assert_eq!(money("true_refunded_minor"), 1_000 * refused);
    assert_eq!(money("booked_kept_minor"), 1_000 * money("bookings_confirmed"));
    assert_eq!((money("bookings_open"), money("to_refund_minor")), (0, 0));

    let refunding = with("    late_payment: refund");
    assert_eq!(shown(&refunding, "tickets", "retaken"), 0);
    assert!(shown(&refunding, "tickets", "bookings_refused") > refused);
    let patient = with("    payment_grace: 60s");
    assert_eq!(shown(&patient, "tickets", "retaken") + shown(&patient, "tickets", "bookings_refused"), 0);
}

/// One guest, whose desk dies at an instant and is back 400 ms later.
fn one_guest_with_a_crash(fsync: &str, at_us: u64) -> String {
    theatre(
        &format!("    fsync: {fsync}\n    cancel: 100%\n    cancel_after: 0ms"),
        "    webhook_delay: 4ms",
        &format!(
            "run: {{duration: 1s, drain: 60s}}
load: [{{name: guest, to: tickets, timeout: 60s, arrivals: {{trace: '0ms'}}}}]
timeline: [{{at: {at_us}us, for: 400ms, id: crash, fault: {{crash: {{service: tickets, mode: host}}}}}}]"
        ),
    )
    .replace("checkout: 1s\n    checkout_jitter: 2s", "checkout: 5ms\n    checkout_jitter: 0ms")
}

#[test]
fn wherever_the_desk_dies_a_guest_has_paid_for_what_is_theirs_and_for_nothing_else() {
    let mut ended = [0; 2];
    for fsync in ["every_commit", "{group: {commits: 4, wait: 2ms}}"] {
        // The whole story takes about 50 ms; every half of a millisecond of it is a place to die.
        for place in 0..110 {
            let outcome = ran(&one_guest_with_a_crash(fsync, 300 + 500 * place));
            let money = |name: &str| shown(&outcome, "tickets", name);
            let is_paid = money("charges_asked") > 0;
            ended[usize::from(is_paid)] += 1;
            if is_paid {
                assert_eq!(money("true_captured_minor"), money("booked_captured_minor"), "place {place}");
                assert_eq!(money("true_refunded_minor"), money("booked_refunded_minor"), "place {place}");
            }
            assert_eq!(
                money("booked_captured_minor") - money("booked_refunded_minor"),
                money("booked_kept_minor"),
                "{fsync}, place {place}"
            );
            assert_eq!((money("bookings_open"), money("to_refund_minor")), (0, 0), "{fsync}, place {place}");
        }
    }
    assert!(ended[0] > 10 && ended[1] > 60, "{ended:?}");
}

#[test]
fn without_syncs_a_power_cut_forgets_what_people_were_told() {
    let crash = "timeline: [{at: 20s, for: 1s, id: crash, fault: {crash: {service: tickets, mode: host}}}]";
    let with = |fsync: &str| {
        let text = theatre(&format!("    fsync: {fsync}"), "", &format!("{GUESTS}\n{crash}"));
        run_plan(&plan(&text), &Kinds::default())
    };
    assert_eq!(broken(&with("every_commit")), [""; 0]);
    let forgetful = with("never");
    assert!(broken(&forgetful).contains(&"bookings_kept"), "{:?}", broken(&forgetful));
    assert!(shown(&forgetful, "tickets", "forgotten_in_crashes") > 0);
}

#[test]
fn the_older_the_map_the_more_offers_are_refused_and_nothing_is_sold_twice() {
    let refused = |ttl: &str| {
        let outcome = ran(&theatre(&format!("    view_ttl: {ttl}\n    tries: 10"), "", GUESTS));
        assert_eq!(shown(&outcome, "tickets", "sold_twice"), 0);
        shown(&outcome, "tickets", "offers_refused")
    };
    let (fresh, old, older) = (refused("1ms"), refused("3s"), refused("15s"));
    assert_eq!(fresh, 0);
    assert!(old > 0 && older > old, "{old}, then {older}");
}

#[test]
fn a_sweeper_whose_clock_is_wrong_changes_nothing_and_two_end_a_hold_once() {
    let with = |hold_clock: &str, skew: &str| {
        let sweepers = "  sweeper: {kind: booking-sweeper, replicas: 2, every: 500ms, calls: [{to: tickets, timeout: 1s}]}\nnetwork:";
        let fault = format!(
            "timeline: [{{at: 1s, for: 60s, id: skew, fault: {{clock: {{service: sweeper/2, skew: \"{skew}\"}}}}}}]"
        );
        let tickets = format!("    sweeps: false\n    abandon: 50%\n    hold_clock: {hold_clock}");
        let text = theatre(&tickets, "", &format!("{GUESTS}\n{fault}")).replacen("network:", sweepers, 1);
        run_plan(&plan(&text), &Kinds::default())
    };
    let (right, wrong) = (with("store", "+1ms"), with("store", "+90s"));
    assert_eq!((broken(&right), broken(&wrong)), (Vec::new(), Vec::new()));
    let swept = |outcome| shown(outcome, "tickets", "bookings_expired");
    assert_eq!(swept(&right), shown(&right, "tickets", "abandoned"));
    assert_eq!(swept(&right), swept(&wrong));
    assert!(shown(&wrong, "tickets", "sweeps_asked") > shown(&right, "tickets", "sweeps_asked"));
    let believed = with("client", "+90s");
    assert!(broken(&believed).contains(&"bookings_consistent"), "{:?}", broken(&believed));
}

#[test]
fn a_waiting_room_lets_on_no_more_than_its_rate_and_the_desk_behind_it_turns_nobody_away() {
    let rush = "run: {duration: 60s, drain: 120s}
load: [{name: guests, to: DOOR, timeout: 150s, stages: [{for: 5s, rate: 300/s}, {for: 55s, rate: 1/s}], keys: {uniform: {items: 1000000}}}]";
    let busy = |text: String| {
        text.replace(
            "workers: unlimited\n    rows",
            "workers: 2\n    queue: {capacity: 20, on_full: reject}\n    service_time: 20ms\n    rows",
        )
    };
    let open = run_plan(&plan(&busy(theatre("", "", &rush.replace("DOOR", "tickets")))), &Kinds::default());
    let room = "  lobby: {kind: waiting-room, workers: unlimited, admits: 40, order: lottery, opens_after: 5s, calls: [{to: tickets, timeout: 100s}]}\nnetwork:";
    let text = busy(theatre("", "", &rush.replace("DOOR", "lobby"))).replacen("network:", room, 1);
    let guarded = ran(&text);
    let failed = |outcome: &foreshock::run::Outcome| outcome.measured.loads[0].failed_total();
    assert!(failed(&open) > 500, "{}", failed(&open));
    assert_eq!(failed(&guarded), 0);
    assert!(shown(&guarded, "lobby", "most_admitted_a_second") <= 40);
    let sold = |outcome| shown(outcome, "tickets", "units_sold");
    assert_eq!((sold(&open), sold(&guarded)), (100, 100));
}

#[test]
fn what_one_guest_does_is_not_changed_by_another_service() {
    let alone = theatre("    abandon: 20%", "", GUESTS);
    let beside = alone.replacen("services:", "services:\n  aaa: {workers: 3}", 1);
    assert_eq!(ends(&ran(&alone)), ends(&ran(&beside)));
}

#[test]
fn a_hotel_sells_every_night_of_a_stay_or_none_and_no_more_than_it_accepts() {
    let house = |isolation: &str| {
        let text = theatre(&format!("    isolation: {isolation}\n    transaction_time: 400ms"), "", GUESTS);
        let text = text.replace("kind: box-office", "kind: hotel");
        let text = text.replace(
            "rows: 10\n    seats: 10",
            "rooms: 2\n    nights: {min: 1, max: 4}\n    horizon: 10\n    tries: 10",
        );
        run_plan(&plan(&text), &Kinds::default())
    };
    let sound = house("serializable");
    assert_eq!(broken(&sound), [""; 0]);
    assert!(shown(&sound, "tickets", "units_sold") <= 2 * 13);
    assert!(broken(&house("read_committed")).contains(&"bookings_consistent"));
}

#[test]
fn who_is_too_many_is_walked_and_a_lost_update_makes_more_of_them() {
    let house = |isolation: &str, overbook: &str| {
        let tickets = format!(
            "    isolation: {isolation}\n    transaction_time: 50ms\n    overbook: {overbook}\n    day: 5s\n    show: 80%\n    compensation: 500\n    partner_rooms: 1"
        );
        let text = theatre(&tickets, "", GUESTS).replace("kind: box-office", "kind: hotel");
        let text = text.replace(
            "rows: 10\n    seats: 10",
            "rooms: 4\n    nights: {min: 1, max: 3}\n    horizon: 3\n    tries: 10",
        );
        run_plan(&plan(&text), &Kinds::default())
    };
    let walked = |outcome: &foreshock::run::Outcome| {
        ["parties_walked", "parties_turned_away"]
            .map(|name| shown(outcome, "tickets", name))
            .iter()
            .sum::<u64>()
    };
    let (careful, bold) = (house("serializable", "0%"), house("serializable", "50%"));
    assert_eq!((broken(&careful), broken(&bold)), (Vec::new(), Vec::new()));
    assert_eq!(walked(&careful), 0);
    assert!(walked(&bold) > 0);
    for outcome in [&careful, &bold] {
        let number = |name| shown(outcome, "tickets", name);
        assert_eq!(number("parties_arrived"), number("parties_housed") + walked(outcome));
        assert!(number("room_nights_occupied") <= number("room_nights"));
        assert_eq!(number("compensation_minor"), 500 * number("parties_walked"));
    }
    let careless = house("read_committed", "0%");
    assert!(walked(&careless) > 0, "sold more than there is");
    assert!(broken(&careless).contains(&"bookings_consistent"));
}

/// A house of four rooms with two agencies: what they do, and what happens.
fn with_agencies(house: &str, agency: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 4m, drain: 2m}}
services:
  hotel: {{kind: hotel, workers: 16, service_time: {{constant: 1ms}}, rooms: 4, nights: {{min: 1, max: 3}}, horizon: 6, channels: 2, day: 8s, checkout: 1s, checkout_jitter: 1s, {house}, calls: [{{to: acquirer, timeout: 3s}}]}}
  north: {{kind: hotel-channel, workers: 4, service_time: {{constant: 1ms}}, channel: 1, {agency}, calls: [{{to: hotel, timeout: 1s}}]}}
  south: {{kind: hotel-channel, workers: 4, service_time: {{constant: 1ms}}, channel: 2, {agency}, calls: [{{to: hotel, timeout: 1s}}]}}
  acquirer: {{kind: payment-provider, workers: 16, service_time: {{constant: 100ms}}, calls: [{{to: hotel, timeout: 2s, retry: {{max_attempts: 5, backoff: {{kind: constant, base: 1s}}}}}}]}}
load:
  - {{name: own, to: hotel, rate: 0.3/s, timeout: 60s}}
  - {{name: of-north, to: north, rate: 0.3/s, timeout: 10s}}
  - {{name: of-south, to: south, rate: 0.3/s, timeout: 10s}}
{rest}
"
    )
}

fn both(outcome: &foreshock::run::Outcome, name: &str) -> u64 {
    shown(outcome, "north", name) + shown(outcome, "south", name)
}

fn assert_agencies_agree(outcome: &foreshock::run::Outcome) {
    assert_eq!(broken(outcome), Vec::<&str>::new());
    assert_eq!(both(outcome, "untold"), 0);
    assert_eq!(both(outcome, "sold"), both(outcome, "confirmed") + both(outcome, "called_off"));
    assert_eq!(shown(outcome, "hotel", "channel_stays"), both(outcome, "confirmed"));
    let kept_minor = both(outcome, "taken_minor") - both(outcome, "given_back_minor");
    assert_eq!(shown(outcome, "hotel", "channel_minor"), kept_minor);
}

#[test]
fn agencies_that_know_old_news_sell_what_is_gone_and_give_the_money_back() {
    let run = |agency: &str| ran(&with_agencies("overbook: 0%", agency, ""));
    let (quick, slow) = (run("sync_every: 1s, tell_after: 1ms"), run("sync_every: 20s, tell_after: 10s"));
    for outcome in [&quick, &slow] {
        assert_agencies_agree(outcome);
        assert_eq!(shown(outcome, "hotel", "channel_oversells"), both(outcome, "called_off"));
        assert_eq!(shown(outcome, "hotel", "parties_walked"), 0, "nothing is in the books twice");
    }
    let (few, many) = (both(&quick, "called_off"), both(&slow, "called_off"));
    assert!(many > 10 && many > 3 * few, "{few} with quick news, {many} with old ones");
}

#[test]
fn an_allotment_is_never_oversold_and_an_agency_that_stops_when_cut_off_calls_nobody_off() {
    let cut = "timeline: [{id: cut, at: 60s, for: 60s, fault: {partition: {between: [[south], [hotel]], mode: drop}}}]";
    let run = |house: &str, agency: &str| {
        let outcome = ran(&with_agencies(house, &format!("sync_every: 4s, tell_after: 2s, {agency}"), cut));
        assert_agencies_agree(&outcome);
        outcome
    };
    let free_for_all = run("overbook: 0%", "stops_after: 0s");
    assert!(shown(&free_for_all, "south", "called_off") > 0);
    let allotted = run("overbook: 0%, allotment: 1", "stops_after: 0s");
    assert_eq!(both(&allotted, "called_off"), 0);
    let stops = run("overbook: 0%, allotment: 1", "stops_after: 8s");
    assert!(shown(&stops, "south", "too_old") > 5);
    assert_eq!(shown(&stops, "north", "too_old"), 0);
}

#[test]
fn what_was_sold_within_the_policy_is_walked_when_all_come() {
    let house = "overbook: 50%, show: 100%, compensation: 500, partner_rooms: 9";
    let outcome = ran(&with_agencies(house, "sync_every: 1s, tell_after: 1s", ""));
    assert_agencies_agree(&outcome);
    let walked = shown(&outcome, "hotel", "parties_walked");
    assert!(walked > 5);
    assert_eq!(shown(&outcome, "hotel", "compensation_minor"), 500 * walked);
}

#[test]
fn sales_of_agencies_survive_losses_and_a_crash_of_the_house() {
    let rest = "network: {links: [{link: south -> hotel, loss: 20%}, {link: hotel -> south, loss: 20%}]}
timeline: [{id: crash, at: 90s, for: 5s, fault: {crash: {service: hotel, mode: host}}}]";
    let outcome = ran(&with_agencies("overbook: 0%", "sync_every: 4s, tell_after: 2s", rest));
    assert_agencies_agree(&outcome);
    assert!(both(&outcome, "confirmed") > 20);
}

#[test]
fn an_agency_that_keeps_the_money_of_guests_whom_it_calls_off_is_caught() {
    let text = with_agencies("overbook: 0%", "sync_every: 20s, tell_after: 10s", "");
    let kinds = Kinds::default().with_test_kinds();
    let text = text.replace("kind: hotel-channel", "kind: test-hotel-channel-keeps-money");
    assert_eq!(broken(&run_plan(&plan_with(&text, &kinds), &kinds)), ["channels_agree"]);
}

#[test]
fn who_may_make_a_hold_longer_pays_in_time_and_only_so_often() {
    let slow = |extensions: &str| {
        let text = theatre(extensions, "", GUESTS).replace("checkout: 1s", "checkout: 40s");
        let outcome = ran(&text.replace("checkout_jitter: 2s", "checkout_jitter: 35s"));
        let of = |name: &str| system(&outcome, "tickets").get(name).copied().unwrap_or(0);
        (of("extended"), of("bookings_confirmed"))
    };
    // Held for 30 s, ready after 40 s to 75 s.
    assert_eq!(slow("    abandon: 0%"), (0, 0));
    let ((once, some), (twice, all)) = (slow("    extensions: 1"), slow("    extensions: 2"));
    assert!(once > 0 && twice > 100, "{once}, {twice}");
    assert!(0 < some && some < all && all == 100, "{some}, {all}");
}

#[test]
fn a_person_has_one_place_in_the_waiting_room_however_often_they_ask() {
    let run = |one_place: bool| {
        let outcome = ran(&format!(
            "run: {{duration: 60s, drain: 120s}}
services:
  lobby: {{kind: waiting-room, workers: 64, admits: 1, one_place: {one_place}, calls: [{{to: desk, timeout: 1s}}]}}
  desk: {{workers: 8, service_time: {{constant: 1ms}}}}
load: [{{name: people, to: lobby, rate: 5/s, timeout: 400s, keys: {{uniform: {{items: 40}}}}}}]"
        ));
        assert_balanced(&outcome);
        let of = |name: &str| system(&outcome, "lobby").get(name).copied().unwrap_or(0);
        (of("admitted"), of("asked_again"), outcome.measured.loads[0].all.offered)
    };
    let (admitted, again, offered) = run(true);
    assert!(admitted <= 40 && again > 30, "{admitted} let in, {again} asked again");
    let (each, none, as_many) = run(false);
    assert_eq!((none, as_many), (0, offered));
    assert!(each > 2 * admitted, "{each} and {admitted}");
}

#[test]
fn a_house_that_overbooks_by_margin_accepts_more_the_fewer_come_and_the_less_a_walk_costs() {
    let limit = |show: &str, compensation: u32| {
        let text = format!(
            "run: {{duration: 30s, drain: 60s}}
services:
  house: {{kind: hotel, workers: unlimited, rooms: 20, nights: 1, horizon: 1, price: 100, overbook: margin, show: {show},
    compensation: {compensation}, checkout: 1s, checkout_jitter: 1s, tries: 1, calls: [{{to: acquirer, timeout: 300ms}}]}}
  acquirer: {{kind: payment-provider, workers: unlimited, service_time: 10ms, calls: [{{to: house, timeout: 1s}}]}}
load: [{{name: guests, to: house, rate: 10/s, timeout: 60s, keys: {{uniform: {{items: 100000}}}}}}]"
        );
        shown(&ran(&text), "house", "bookings_confirmed")
    };
    assert_eq!(limit("100%", 100), 20);
    let (usual, dear, few) = (limit("80%", 300), limit("80%", 3_000), limit("50%", 300));
    assert!(20 < dear && dear < usual && usual < few, "{dear}, {usual}, {few}");
}
