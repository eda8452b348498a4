mod seeds;
mod stories;
mod threads;
mod wire;
