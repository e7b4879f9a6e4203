//! Scripted calls: what is said, which webhooks are sent, what goes wrong, and what aftercall must
//! make of it. The calls themselves are data, one file each in `calls/`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::foreign::Foreign;
use super::livekit::tagged;
use super::polled::Polled;
use super::record::{Faults, Record};
use crate::conversation::{Status, Transport};
use crate::end_reason::{EndReason, EndReasonSource};
use crate::id::{AgentId, ConversationId, NotAnId, of_content};
use crate::time::Timestamp;

/// The number that the workspace calls from and is called on.
const WORKSPACE_NUMBER: &str = "+18005550100";

/// Between initiating a call and the first user's joining.
const RINGING: Duration = Duration::from_millis(2_400);

/// One scripted call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What it is called in settings and reports.
    pub name: String,
    /// What happens, in a few words.
    pub title: String,
    /// The call itself.
    pub call: Call,
    /// What is said, in order.
    #[serde(default)]
    pub dialogue: Vec<(Speaker, String)>,
    /// The platform that has to be asked for the call, because it sends no webhook.
    #[serde(default)]
    pub polled: Option<Polled>,
    /// The webhooks that are sent, in order.
    #[serde(default)]
    pub sends: Vec<Sending>,
    /// What goes wrong when the call is asked for.
    #[serde(default)]
    pub faults: Faults,
    /// What must come of it.
    pub expect: Expectation,
}

/// The call itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// How the caller reached the agent.
    pub transport: Transport,
    /// The other party's number; phones only.
    #[serde(default)]
    pub number: Option<String>,
    /// Who is on the web; empty for anonymous callers.
    #[serde(default)]
    pub user: String,
    /// Where the call stands in the end.
    #[serde(default = "completed")]
    pub status: Status,
    /// How long it lasted; nothing when it never connected.
    #[serde(default)]
    pub lasted_s: Option<u64>,
    /// How long before the webhooks it was over.
    pub ended_ago_s: u64,
    /// Why it ended, where the platform says so.
    #[serde(default)]
    pub end_reason: Option<EndReason>,
}

/// Who speaks a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The voice agent.
    Agent,
    /// The caller.
    Caller,
    /// A tool of the agent: the line is its name.
    Tool,
}

/// One webhook, perhaps sent several times.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sending {
    /// Which.
    pub event: EventName,
    /// Why the caller left, for `participant_left`.
    #[serde(default)]
    pub reason: Option<String>,
    /// How it is signed.
    #[serde(default)]
    pub signing: Signing,
    /// How often the same delivery is sent.
    #[serde(default = "once")]
    pub times: u32,
    /// How long after the previous one.
    #[serde(default)]
    pub after_ms: u64,
}

/// The webhooks that the simulated platforms send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventName {
    /// Speechify's `conversation.completed`.
    Completed,
    /// A Speechify delivery whose body breaks off.
    Truncated,
    /// LiveKit's `participant_joined` of the caller.
    ParticipantJoined,
    /// LiveKit's `participant_left` of the caller.
    ParticipantLeft,
    /// LiveKit's `room_finished`.
    RoomFinished,
    /// What another platform says when a call is over.
    #[serde(untagged)]
    Over(Foreign),
}

impl EventName {
    /// Whether LiveKit sends it, rather than Speechify.
    pub fn is_livekit(self) -> bool {
        !matches!(self, Self::Completed | Self::Truncated | Self::Over(_))
    }
}

/// How a webhook is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signing {
    /// As the platform does today.
    #[default]
    Current,
    /// As Speechify used to.
    Legacy,
    /// With a secret that the account does not have.
    Forged,
}

/// How a webhook is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answered {
    /// 200, durable.
    Accepted,
    /// 200, of no interest.
    Ignored,
    /// 200, unreadable and kept.
    Parked,
    /// 401.
    Refused,
}

impl Answered {
    /// The word in the answer's `status`, and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Ignored => "ignored",
            Self::Parked => "parked",
            Self::Refused => "refused",
        }
    }
}

/// What must come of a call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// How each webhook is answered, in order, whatever its copies.
    #[serde(default)]
    pub answers: Vec<Answered>,
    /// What aftercall must know of the call; without it, the call must stay unknown.
    #[serde(default)]
    pub known: Option<Known>,
}

/// What aftercall must know of a call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Why it ended.
    pub end_reason: EndReason,
    /// How that is known.
    pub source: EndReasonSource,
    /// Slots that the call must fill, each with a text that the value contains. `{tomorrow}` is the
    /// day after the call. Empty: nothing may be remembered.
    #[serde(default)]
    pub remembers: BTreeMap<String, String>,
    /// Values that must not hold any more.
    #[serde(default)]
    pub supersedes: BTreeMap<String, String>,
    /// So many failed or early attempts must stand in the timeline.
    #[serde(default)]
    pub retries: u32,
}

/// A script cast for one performance: ids and times are set.
#[derive(Clone, Debug)]
pub struct Take {
    /// The script, with its placeholders filled in.
    pub script: Script,
    /// The call as the platform knows it.
    pub record: Record,
}

fn completed() -> Status {
    Status::Completed
}

fn once() -> u32 {
    1
}

/// The scripted calls, in the order in which they are played.
pub fn all() -> Result<Vec<Script>, serde_json::Error> {
    [
        include_str!("calls/agent-ended.json"),
        include_str!("calls/tab-closed.json"),
        include_str!("calls/sip-hangup.json"),
        include_str!("calls/voicemail.json"),
        include_str!("calls/busy.json"),
        include_str!("calls/anonymous.json"),
        include_str!("calls/first-number.json"),
        include_str!("calls/changed-number.json"),
        include_str!("calls/do-not-call.json"),
        include_str!("calls/duplicated.json"),
        include_str!("calls/api-down.json"),
        include_str!("calls/still-active.json"),
        include_str!("calls/forged.json"),
        include_str!("calls/unreadable.json"),
    ]
    .into_iter()
    .map(serde_json::from_str)
    .collect()
}

/// One call of each other platform.
pub fn foreign() -> Result<Vec<Script>, serde_json::Error> {
    [
        include_str!("calls/elevenlabs.json"),
        include_str!("calls/retell.json"),
        include_str!("calls/vapi.json"),
        include_str!("calls/bland.json"),
        include_str!("calls/telnyx.json"),
        include_str!("calls/twilio.json"),
        include_str!("calls/vonage.json"),
        include_str!("calls/plivo.json"),
        include_str!("calls/standard.json"),
        include_str!("calls/anyreach.json"),
        include_str!("calls/voiceable.json"),
    ]
    .into_iter()
    .map(serde_json::from_str)
    .collect()
}

impl Script {
    /// The name of the platform whose call it is, where that is neither Speechify nor LiveKit.
    pub fn platform(&self) -> Option<&'static str> {
        let sender = self.sends.iter().find_map(|sending| match sending.event {
            EventName::Over(platform) => Some(platform.platform()),
            _ => None,
        });
        sender.or(self.polled.map(Polled::platform))
    }

    /// How many events can settle the call, copies aside: its webhooks, or what its list says.
    pub fn events(&self) -> usize {
        self.sends.len() + usize::from(self.polled.is_some())
    }

    /// Casts the script: every id follows from `salt` and the script's name, every time from `now`.
    pub fn take(&self, salt: &str, now: Timestamp) -> Result<Take, NotAnId> {
        let call = &self.call;
        // Other platforms have ids of other forms.
        let prefix = if self.platform().is_some() {
            ""
        } else {
            "conv_"
        };
        let id = ConversationId::new(&of_content(prefix, &[salt, &self.name]))?;
        let ended_at = now.minus(Duration::from_secs(call.ended_ago_s));
        let lasted = call.lasted_s.map(Duration::from_secs);
        let started_at = lasted.map(|lasted| ended_at.minus(lasted));
        let created_at = started_at.unwrap_or(ended_at).minus(RINGING);
        let outbound = call.transport == Transport::SipOutbound;
        let ours = call.number.as_ref().map(|_| WORKSPACE_NUMBER.to_owned());
        let (from_number, to_number) = if outbound {
            (ours, call.number.clone())
        } else {
            (call.number.clone(), ours)
        };
        let room_name = match &call.number {
            Some(number) if !outbound => tagged(&format!("sip_{number}_"), &[id.as_str(), "room"]),
            _ => id.as_str().to_owned(),
        };
        let record = Record {
            room_sid: tagged("RM_", &[id.as_str()]),
            room_name,
            agent_id: AgentId::new(&of_content("agent_", &["front desk"]))?,
            transport: call.transport.clone(),
            status: call.status.clone(),
            created_at,
            started_at,
            ended_at,
            duration_ms: lasted.and_then(|lasted| i64::try_from(lasted.as_millis()).ok()),
            end_reason: call.end_reason.clone(),
            caller_identity: match &call.number {
                Some(number) => format!("sip_{number}"),
                None => call.user.clone(),
            },
            from_number,
            to_number,
            messages: self.messages(&id, started_at.unwrap_or(created_at), lasted),
            id,
        };
        Ok(Take {
            script: self.dated(record.started_at.unwrap_or(created_at)),
            record,
        })
    }

    /// The lines as messages, spread evenly over the call.
    fn messages(
        &self,
        id: &ConversationId,
        started_at: Timestamp,
        lasted: Option<Duration>,
    ) -> Vec<Value> {
        let lines = u32::try_from(self.dialogue.len()).unwrap_or(u32::MAX);
        let each = lasted.unwrap_or_default() / lines.max(1);
        (0_u32..)
            .zip(&self.dialogue)
            .map(|(n, (speaker, text))| {
                let at = started_at.plus(each * n);
                let (role, content, tool) = match speaker {
                    Speaker::Agent => ("assistant", text.as_str(), None),
                    Speaker::Caller => ("user", text.as_str(), None),
                    Speaker::Tool => ("tool", "", Some(text)),
                };
                json!({
                    "id": of_content("msg_", &[id.as_str(), &n.to_string()]),
                    "conversation_id": id,
                    "role": role,
                    "content": content,
                    "tool_name": tool,
                    "tool_args": tool.map(|_| json!({})),
                    "tool_result": tool.map(|_| json!({"ok": true})),
                    "started_at": at,
                    "ended_at": at.plus(each * 4 / 5),
                })
            })
            .collect()
    }

    /// The script with the dates of a call that began at `started_at`.
    fn dated(&self, started_at: Timestamp) -> Self {
        let mut script = self.clone();
        let day = started_at
            .to_jiff()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        let tomorrow = day.tomorrow().unwrap_or(day).to_string();
        if let Some(known) = &mut script.expect.known {
            for value in known.remembers.values_mut() {
                *value = value.replace("{tomorrow}", &tomorrow);
            }
        }
        script
    }
}

#[cfg(test)]
mod tests;
