//! osler trains medical language models in consultation: de-identified records become patients who can be
//! interviewed, a Qwen-style model consults, rubrics mark it, and reinforcement learning improves it.
//!
//! Built so far: the decoder with its weight files ([`model`]), tokenizers and chat templates ([`data`],
//! [`chat`]), generation ([`engine`]) on kernels of our own ([`kernels`]), cases and simulated patients ([`data`], [`sim`]),
//! marking schemes ([`rubric`]), training ([`train`], [`rl`], and [`pipeline`], which runs a configuration), models that play
//! roles in a consultation ([`roles`]), checks of devices ([`doctor`]) and what kernels cost ([`measure`]), and the commands on
//! top ([`cli`]).
//! `docs/architecture.md` is the map of the rooms and gives a reading order.
//!
//! This is research software: it trains models and gives no medical advice.

pub mod chat;
pub mod cli;
pub mod data;
pub mod doctor;
pub mod engine;
pub mod eval;
pub mod files;
pub mod kernels;
pub mod measure;
pub mod model;
pub mod pipeline;
pub mod rl;
pub mod roles;
pub mod rubric;
pub mod sim;
pub mod train;
