//! LiveKit server webhooks (`platforms.md` §1).
