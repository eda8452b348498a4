mod seeds;
mod stories;
mod wire;
