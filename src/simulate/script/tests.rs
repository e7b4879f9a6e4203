use super::*;
use crate::simulate::speechify::Largest;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

#[test]
fn every_call_is_whole() {
    let scripts = all().unwrap();
    let mut names: Vec<&str> = scripts.iter().map(|script| script.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), scripts.len(), "names are unique");
    for script in &scripts {
        let name = &script.name;
        assert_eq!(script.sends.len(), script.expect.answers.len(), "{name}");
        assert!(
            script.title.chars().count() <= 25,
            "{name}: the title fits its column"
        );
        for (_, line) in &script.dialogue {
            assert!(!line.trim().is_empty(), "{name}");
        }
        if let Some(known) = &script.expect.known {
            assert!(!matches!(known.end_reason, EndReason::Other(_)), "{name}");
            for slot in known.remembers.keys().chain(known.supersedes.keys()) {
                assert!(slot.contains('.'), "{name}: {slot}");
            }
        }
    }
}

#[test]
fn the_script_has_what_the_demo_promises() {
    let scripts = all().unwrap();
    let any = |wanted: &dyn Fn(&Script) -> bool| assert!(scripts.iter().any(wanted));
    any(&|script| script.faults.unavailable > 0);
    any(&|script| script.faults.unfinished > 0);
    any(&|script| script.sends.iter().any(|sending| sending.times > 1));
    any(&|script| {
        script
            .sends
            .iter()
            .any(|sending| sending.signing == Signing::Legacy)
    });
    any(&|script| script.expect.answers == [Answered::Refused]);
    any(&|script| script.expect.answers == [Answered::Parked]);
    any(&|script| script.call.number.is_none() && script.call.user.is_empty());
    any(&|script| script.dialogue.len() > Largest::SMALL.messages);
    for source in [
        EndReasonSource::Platform,
        EndReasonSource::Observed,
        EndReasonSource::Fallback,
    ] {
        any(&|script| {
            let known = script.expect.known.as_ref();
            known.is_some_and(|known| known.source == source)
        });
    }
}

#[test]
fn a_take_follows_from_salt_and_time_alone() {
    for script in all().unwrap() {
        let one = script.take("a", NOW).unwrap().record;
        let two = script.take("a", NOW).unwrap().record;
        let other = script.take("b", NOW).unwrap().record;
        assert_eq!(one.detail(true), two.detail(true));
        assert_eq!(one.messages, two.messages);
        assert_ne!(one.id, other.id);
        assert!(one.created_at < one.ended_at && one.ended_at < NOW);
        assert_eq!(one.started_at.is_some(), one.duration_ms.is_some());
    }
}

#[test]
fn rooms_and_numbers_follow_the_transport() {
    let scripts = all().unwrap();
    let take = |name: &str| {
        let script = scripts.iter().find(|script| script.name == name).unwrap();
        script.take("a", NOW).unwrap().record
    };
    let inbound = take("sip-hangup");
    let (name, random) = inbound.room_name.rsplit_once('_').unwrap();
    assert_eq!((name, random.len()), ("sip_+14155550123", 12));
    assert_eq!(inbound.caller_identity, "sip_+14155550123");
    assert_eq!(inbound.from_number.as_deref(), Some("+14155550123"));
    let outbound = take("busy");
    assert_eq!(outbound.room_name, outbound.id.as_str());
    assert_eq!(outbound.to_number.as_deref(), Some("+12125550187"));
    assert_eq!(outbound.started_at, None);
    let web = take("tab-closed");
    assert_eq!((web.from_number, web.to_number), (None, None));
}

#[test]
fn tomorrow_is_the_day_after_the_call() {
    let script = &all().unwrap()[0];
    let late: Timestamp = "2026-12-31T23:59:59Z".parse().unwrap();
    let known = script.take("a", late).unwrap().script.expect.known.unwrap();
    assert_eq!(known.remembers["commitment.callback"], "2027-01-01");
}

/// The extractor's idea of a valid number decides what a spoken one becomes.
#[test]
fn the_numbers_are_valid() {
    for script in all().unwrap() {
        let known = script.expect.known.as_ref();
        let told = known.and_then(|known| known.remembers.get("contact.phone"));
        for number in script.call.number.iter().chain(told) {
            let parsed = phonenumber::parse(None, number).unwrap();
            assert!(phonenumber::is_valid(&parsed), "{}: {number}", script.name);
        }
    }
}

#[test]
fn each_other_platform_has_a_call() {
    let scripts = foreign().unwrap();
    let platforms: Vec<_> = scripts.iter().filter_map(Script::platform).collect();
    let senders = Foreign::ALL.into_iter().map(Foreign::platform);
    let polled = Polled::ALL.into_iter().map(Polled::platform);
    assert_eq!(platforms, senders.chain(polled).collect::<Vec<_>>());
    for script in &scripts {
        assert_eq!(script.sends.len(), script.expect.answers.len());
        assert!(script.title.chars().count() <= 25, "{}", script.title);
        let take = script.take("salt", NOW).unwrap();
        assert!(!take.record.id.as_str().starts_with("conv_"));
        assert_eq!(script.polled.is_some(), script.sends.is_empty());
        assert_eq!(script.events(), 1, "{}", script.name);
    }
    assert!(
        all()
            .unwrap()
            .iter()
            .all(|script| script.platform().is_none())
    );
}
