//! How the core behaves when the whole outside is played to it: stories, properties, and every
//! interleaving of a small world.

mod harness;
mod interleavings;
mod properties;
mod scripts;
