// A buffered stream on a loop, with back-pressure in both directions.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "world/real/loop.h"
#include "world/real/socket.h"

namespace bessemer::real {

class Connection;

// Who uses a connection. Each call may close or destroy the connection.
struct ConnectionUser {
  virtual ~ConnectionUser() = default;
  // An outgoing connection is made.
  virtual void on_connected(Connection&) {}
  // input() has grown.
  virtual void on_input(Connection&) = 0;
  // The peer will send no more; comes at once, also while reading is paused. Once.
  virtual void on_hang_up(Connection&) {}
  // Everything the peer sent has been read and then its end. Once.
  virtual void on_end(Connection&) = 0;
  // Unsent output has fallen to the low mark after it was above it.
  virtual void on_room(Connection&) {}
  // The connection broke; nothing more will come.
  virtual void on_broken(Connection&, const Error& why) = 0;
};

struct ConnectionOptions {
  std::size_t max_input = 256 * 1024;  // reading pauses by itself at this many unread bytes
  std::size_t low_output = 64 * 1024;  // on_room when unsent bytes fall to this
  bool receives_descriptors = false;
};

// Destroys the connection once the loop's turn is over, so that a user may let go of it at any
// point; its descriptor closes at once.
struct Bury {
  void operator()(Connection* connection) const;
};
using ConnectionPointer = std::unique_ptr<Connection, Bury>;

class Connection final : public Watcher {
 public:
  // A connected socket: accepted, passed by another process, or one end of a pair.
  static ConnectionPointer adopt(Loop& loop, Descriptor socket, ConnectionUser& user,
                                 const ConnectionOptions& options = {});
  // Starts connecting. Errors: unavailable, when it fails at once; later failures come by
  // on_broken.
  static Result<ConnectionPointer> connect(Loop& loop, const Address& address,
                                           ConnectionUser& user,
                                           const ConnectionOptions& options = {});
  ~Connection() override;

  // Who is told from now on: a connection may pass from one owner to the next.
  void set_user(ConnectionUser& user) { user_ = &user; }

  // Bytes read and not yet consumed. Behind them lie at least 64 spare bytes (for simdjson).
  std::string_view input() const { return {buffer_.get() + from_, to_ - from_}; }
  void consume(std::size_t bytes);
  // Holds at most this many bytes from now on; for a body that must lie in one piece.
  void set_max_input(std::size_t bytes);

  void pause();
  // Goes on reading; what has arrived meanwhile comes at the end of this turn.
  void resume();
  bool paused() const { return paused_; }

  // Sends at once as much as the socket takes and keeps the rest. After the peer broke off, bytes
  // are dropped and on_broken tells.
  void send(std::string_view bytes);
  void send(std::string_view head, std::string_view body);
  // Bytes accepted by send() that the socket has not taken.
  std::size_t unsent() const { return unsent_; }

  // The oldest descriptor that came with the input; empty when none.
  Descriptor take_descriptor();

  // Nothing more is told or sent. Safe at any time.
  void close();
  // Sends what is left, says so to the peer, then drops what it still sends until it closes or
  // `patience` is over: a peer that is still sending would lose the answer otherwise. Nobody is
  // told of it any more.
  static void close_gently(ConnectionPointer connection, Duration patience = seconds(2));
  bool closed() const { return state_ == State::closed; }
  bool hung_up() const { return hung_up_; }
  Peer peer() const { return peer_of(socket_); }
  Loop& loop() { return loop_; }

  void on_events(std::uint32_t events) override;

 private:
  friend struct Bury;
  enum class State : std::uint8_t { connecting, open, lingering, closed };
  Connection(Loop& loop, Descriptor socket, ConnectionUser& user, const ConnectionOptions& options);
  enum class Read : std::uint8_t { drained, full, end, failed };
  Result<void> start();
  void read_input();
  Read read_until_drained();
  long receive(char* into, std::size_t bytes);
  void make_room();
  void flush();
  void finish_connecting();
  void break_off(int error_number);
  void tell_hang_up();
  void shut_when_sent();
  void keep(std::string_view bytes);

  Loop& loop_;
  Descriptor socket_;
  ConnectionUser* user_;
  ConnectionOptions options_;
  Loop::Watch watch_ = 0;
  State state_ = State::open;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;  // without the spare bytes
  std::size_t from_ = 0, to_ = 0;
  std::string output_;
  std::size_t sent_ = 0;    // of output_
  std::size_t unsent_ = 0;
  std::deque<Descriptor> received_;
  Loop::Timer linger_ = 0;
  int error_ = 0;          // of a send, told in the next turn
  bool paused_ = false;
  bool readable_ = false;  // the kernel may hold more: it says so only once
  bool hung_up_ = false, ended_ = false, above_low_ = false, shut_ = false;
};

}  // namespace bessemer::real
