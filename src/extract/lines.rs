//! `aftercall extract`: transcripts in, observations out, one JSON object a line.
