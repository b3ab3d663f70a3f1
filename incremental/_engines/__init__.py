"""Where blocks are computed and learned."""
