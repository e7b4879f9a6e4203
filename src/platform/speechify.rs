//! Speechify Voice Agents: webhooks and conversation API (`platforms.md` §4).
