//! What an operator does with many letters at once, and what a replay of them says.

use super::*;
use crate::store::replays::causes::Cause as Failed;
use crate::store::replays::letters::{self, Place, Verdict};
use crate::store::replays::{self, Job};
use crate::verdict::Fault;

/// Somebody who may do all of it, with what the forms carry.
async fn operator(bench: &Bench) -> (String, String) {
    let cookie = bench.session("a", &[Scope::Admin], &[]).await;
    let csrf = format!("csrf={}", bench.csrf(&cookie).await);
    (cookie, csrf)
}

#[tokio::test]
async fn a_cause_is_discarded_and_all_that_is_dead_is_not() {
    let bench = Bench::new().await;
    for n in 1..=3 {
        let cause = if n == 3 { "another" } else { "one" };
        bench
            .keep_call(&format!("conv_{n}"), "agent_1", cause)
            .await;
    }
    let (cookie, csrf) = operator(&bench).await;
    let all = bench.get("/console/dead-letters", &cookie).await.text;
    assert!(all.contains("3 letters, 2 causes") && !all.contains(">Discard "));
    let path = "/console/dead-letters/discard";
    // Neither what says nothing, nor what seems to say something.
    for said in ["", "&ids=%2C", "&ids=%20", "&code=%20", "&since=+"] {
        let none = bench.post(path, &cookie, &format!("{csrf}{said}")).await;
        assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
    }
    for said in ["ids=%2C", "code=%20"] {
        let path = format!("/console/replays/new?{said}");
        let page = bench.get(&path, &cookie);
        assert_eq!(
            page.await.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{said}"
        );
    }
    let fingerprint = Cause::platform("planted", "one").fingerprint("finalize");
    let group = format!("/console/dead-letters?fingerprint={fingerprint}");
    let page = bench.get(&group, &cookie).await.text;
    assert!(page.contains(">Discard 2 letters</button>"), "{page}");
    let form = format!("{csrf}&fingerprint={fingerprint}");
    let done = bench.post(path, &cookie, &form).await;
    assert_eq!(done.header("location"), format!("{group}&done=discard"));
    let left = bench.get(done.header("location"), &cookie).await.text;
    assert!(left.contains("1 letter, 1 cause") && left.contains("The letters are discarded."));
    assert!(!left.contains("like these"), "nothing is left: {left}");
    // Somebody pressed on another search: what that has left is told, and can be discarded.
    let search = "/console/dead-letters?stage=finalize&done=discard";
    let left = bench.get(search, &cookie).await.text;
    assert!(left.contains("1 letter like these is left: one press discards 10,000 at the most."));
    assert!(left.contains(">Discard 1 letter</button>"), "{left}");
    let audit = bench
        .get("/console/audit?action=dead_letter.discard", &cookie)
        .await
        .text;
    assert!(audit.contains(&fingerprint), "{audit}");
}

#[tokio::test]
async fn letters_are_searched_by_time_platform_and_id_and_by_nothing_misread() {
    let bench = Bench::new().await;
    for n in 1..=2 {
        bench
            .keep_call(&format!("conv_{n}"), "agent_1", "speechify")
            .await;
    }
    let (cookie, csrf) = operator(&bench).await;
    // The letters are of 2026-05-28T20:26:40Z.
    for (query, found) in [
        ("platform=speechify", 2),
        ("platform=another", 0),
        ("since=2026-05-28T20:00", 2),
        ("since=2026-05-28T20:30", 0),
        ("until=2026-05-28T20:30", 2),
        ("until=2026-05-28T20:00&since=2026-05-28T19:00", 0),
        ("ids=dl_conv_1", 1),
        ("ids=dl_conv_1%2C+dl_conv_2", 2),
        ("failed_in=replay_none", 0),
    ] {
        let path = format!("/console/dead-letters?{query}");
        let page = bench.get(&path, &cookie).await.text;
        let rows = page.matches("class=\"row\"").count();
        assert_eq!(rows, found, "{query}: {page}");
    }
    for wrong in ["since=yesterday", "fault=nobody", "state=undead"] {
        for path in ["dead-letters", "replays/new"] {
            let page = bench
                .get(&format!("/console/{path}?{wrong}"), &cookie)
                .await;
            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        }
        // A filter that can't be understood must not come to mean every letter.
        let form = format!("{csrf}&{wrong}");
        let made = bench.post("/console/replays", &cookie, &form).await;
        assert_eq!(made.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}

/// Has the letter of a job fail again, and one more be resolved.
async fn judge(bench: &Bench, job: &Job, planted: &str) {
    let cause = Failed {
        letter_id: "dl_conv_1".to_owned(),
        fingerprint: "fp_1".to_owned(),
        stage: "finalize".to_owned(),
        code: "not_over".to_owned(),
        message: planted.to_owned(),
        fault: Fault::Platform,
    };
    let mut job = job.clone();
    let judged = bench.flow.db.write(move |mut conn| {
        Box::pin(async move {
            let second = Place {
                seq: 7,
                letter_id: "dl_conv_2".to_owned(),
                lane: "another".to_owned(),
                first: true,
            };
            letters::add(&mut conn, &job.id, &[second]).await?;
            for (seq, verdict) in [(0, Verdict::Failed(cause)), (7, Verdict::Succeeded)] {
                assert!(letters::send(&mut conn, &job.id, seq).await?);
                assert!(letters::judge(&mut conn, &job.id, seq, &verdict, seq).await?);
            }
            (job.total, job.sent, job.failed, job.succeeded) = (4, 2, 1, 1);
            job.status = replays::Status::Completed;
            job.finished_at = Some(NOW);
            replays::save(&mut conn, &job, false).await
        })
    });
    judged.await.unwrap();
}

#[tokio::test]
async fn a_replay_says_which_letters_failed_and_of_what() {
    let bench = Bench::new().await;
    bench.keep_call("conv_1", "agent_1", "cause").await;
    let (cookie, csrf) = operator(&bench).await;
    let form = format!("{csrf}&code=planted&canary=0&rate=0.001");
    let made = bench.post("/console/replays", &cookie, &form).await;
    let path = made.header("location").to_owned();
    let id = path.rsplit('/').next().unwrap().to_owned();
    let page = bench.get(&path, &cookie).await.text;
    assert!(
        page.contains("All dead letters with the code planted"),
        "{page}"
    );
    assert!(!page.contains("What failed again"));
    let wanted = id.clone();
    let read = bench
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { replays::get(&mut conn, &wanted).await }));
    let job = read.await.unwrap().unwrap();
    judge(&bench, &job, "<b>the platform</b> says it is not over").await;
    let page = bench.get(&path, &cookie).await.text;
    for told in [
        "What failed again, and of what",
        "<b>1 letter</b> <span>&#60;b&#62;the platform&#60;/b&#62; says it is not over</span>",
        "href=\"/console/dead-letters/dl_conv_1\"",
        "1 letter is dead again",
        // A quarter each of the bar.
        "<rect class=\"good\" x=\"0\" y=\"0\" width=\"250\" height=\"10\"/>",
        "<rect class=\"bad\" x=\"250\" y=\"0\" width=\"250\" height=\"10\"/>",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let failed = format!("/console/dead-letters?state=any&#38;fingerprint=fp_1&#38;failed_in={id}");
    assert!(page.contains(&failed), "{page}");
    let listed = bench.get(&failed.replace("&#38;", "&"), &cookie).await.text;
    assert!(listed.contains("dl_conv_1"), "{listed}");
    assert!(page.contains(&format!("/console/replays/new?failed_in={id}")));
}
