// The exclusive right to a TCP port that several processes of one owner listen on together.
#pragma once
#include "world/real/descriptor.h"
#include "world/real/socket.h"

namespace bessemer::real {

// Sockets that share a port (ListenOptions::share_port) share it with anybody of the same user. So
// an owner claims the port first. The claim lasts as long as any process has the descriptor, which
// the owner's processes inherit, and is gone with the last of them, however they end. It is an
// abstract unix socket named after the address: like the port, it belongs to the network namespace.
// `listeners`: ours live already, so that the port may be in use by them.
// Errors: conflict (claimed by another, or somebody else listens).
enum class Listeners : bool { none, ours };
Result<Descriptor> claim_port(const Address& address, Listeners listeners = Listeners::none);

}  // namespace bessemer::real
