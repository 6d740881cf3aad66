//! The decoder, its adapters and its files.

pub mod adapter;
pub mod build;
pub mod cache;
pub mod config;
pub mod decoder;
pub mod layer;
pub mod load;
pub mod parameters;
pub mod residual;
pub mod rotary;
pub mod weights;
