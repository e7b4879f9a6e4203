//! Take, bound, run with time-out, settle by verdict, stop.
