# bessemer: one program, daemon and client.
bessemer_program(bessemer application/daemon bessemer)
