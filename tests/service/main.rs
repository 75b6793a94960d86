//! The service in virtual time: nothing sleeps, nobody is called.

#[cfg(test)]
mod authorization;
#[cfg(test)]
mod change;
#[cfg(test)]
mod control;
#[cfg(test)]
mod dead_letters;
#[cfg(test)]
mod drive;
#[cfg(test)]
mod economy;
#[cfg(test)]
mod emission;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod flaky;
#[cfg(test)]
mod held;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod long_poll;
#[cfg(test)]
mod management;
#[cfg(test)]
mod meanwhile;
#[cfg(test)]
mod measures;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod order;
#[cfg(test)]
#[path = "../support/paper.rs"]
mod paper;
#[cfg(test)]
mod parallel_polls;
#[cfg(test)]
mod polling;
#[cfg(test)]
mod running;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod status;
#[cfg(test)]
mod surface;
#[cfg(test)]
mod trouble;
#[cfg(test)]
mod verifying;
#[cfg(test)]
mod world;
