//! What goes into and comes out of the calls of a store, face by face.

mod operator;
mod receiver;
mod worker;

pub use operator::{
    Backlog, DeadLetter, LetterFilter, LetterPlace, LetterQuery, Redrive, RedriveLetter, Redriven,
    StreamOverview, Totals,
};
pub use receiver::{
    Acknowledged, Acknowledgement, Activity, Deleted, HandOut, HandOutRequest, NewControl,
    NewVerification, Provided, Queue, StartedBy, StreamUpdate, SubjectChange, VerificationQueued,
};
pub use worker::{
    ClaimRequest, Claimed, Claims, GiveUpHeld, HealthChange, HeldStream, KeepToken, Kept, Overdue,
    Route, SettleBatch, SettleReport, Settled, Settlement, SweepRequest, Swept, Tokens,
};
