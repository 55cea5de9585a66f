// SPDX-License-Identifier: MIT
#include "stun/uv/redis_line.h"

#include <hiredis.h>

#include <memory>
#include <utility>

#include "mrt/base/check.h"
#include "mrt/uv/sockaddr.h"

namespace stun::uv {

namespace {

// Some hundred records: what comes in one turn of the loop is heard in it.
constexpr size_t read_bytes = 64 << 10;

StoreReply reply_from(const redisReply& said) {
  using Kind = StoreReply::Kind;
  StoreReply out;
  switch (said.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      out.kind = Kind::text;
      out.text.assign(said.str, said.len);
      break;
    case REDIS_REPLY_ERROR:
      out.kind = Kind::error;
      out.text.assign(said.str, said.len);
      break;
    case REDIS_REPLY_INTEGER:
      out.kind = Kind::number;
      out.number = said.integer;
      break;
    case REDIS_REPLY_ARRAY:
      out.kind = Kind::list;
      // hiredis nests no deeper than nine.
      for (size_t i = 0; i < said.elements; ++i) out.list.push_back(reply_from(*said.element[i]));
      break;
    default:
      break;
  }
  return out;
}

RedisLine* line_of(void* data) { return static_cast<RedisLine*>(data); }

}  // namespace

RedisLine::RedisLine(Actions actions)
    : actions_(std::move(actions)), reader_(redisReaderCreate()), room_(read_bytes, '\0') {
  CHECK(reader_ != nullptr);
}

RedisLine::~RedisLine() { redisReaderFree(reader_); }

RedisLine* RedisLine::open(uv_loop_t* loop, const mrt::Address& address, Actions actions,
                           std::string& why) {
  auto* const line = new RedisLine(std::move(actions));
  CHECK(uv_tcp_init(loop, &line->tcp_) == 0);
  line->tcp_.data = line->connect_.data = line->write_.data = line;
  const auto to = mrt::uv::to_sockaddr(address);
  const int error =
      uv_tcp_connect(&line->connect_, &line->tcp_, reinterpret_cast<const sockaddr*>(&to.storage),
                     &RedisLine::on_connect);
  if (error == 0) return line;
  why = uv_strerror(error);
  line->close();
  return nullptr;
}

void RedisLine::on_connect(uv_connect_t* request, int error) {
  RedisLine* const line = line_of(request->data);
  if (line->closed_) return;
  if (error != 0) return line->lose(uv_strerror(error));
  line->connected_ = true;
  uv_tcp_nodelay(&line->tcp_, 1);
  uv_read_start(
      reinterpret_cast<uv_stream_t*>(&line->tcp_),
      [](uv_handle_t* handle, size_t, uv_buf_t* room) {
        std::string& bytes = line_of(handle->data)->room_;
        *room = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
      },
      &RedisLine::on_read);
  line->actions_.on_connected();
}

void RedisLine::on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* bytes) {
  RedisLine* const line = line_of(stream->data);
  if (line->closed_ || size == 0) return;
  if (size < 0) return line->lose(uv_strerror(static_cast<int>(size)));
  line->read(bytes->base, static_cast<size_t>(size));
}

void RedisLine::read(const char* bytes, size_t size) {
  redisReaderFeed(reader_, bytes, size);
  unfinished_ += size;
  void* said = nullptr;
  while (redisReaderGetReply(reader_, &said) == REDIS_OK && said != nullptr) {
    const std::unique_ptr<void, decltype(&freeReplyObject)> held(said, &freeReplyObject);
    actions_.on_reply(reply_from(*static_cast<const redisReply*>(said)));
    if (closed_) return;
    // What is left of this read, at most.
    unfinished_ = size;
  }
  if (reader_->err != 0) return lose("what it says is not Redis' protocol");
  if (unfinished_ > reply_bytes_max) lose("a reply is too long");
}

void RedisLine::send(const std::vector<std::string>& words) {
  if (closed_) return;
  std::vector<const char*> texts;
  std::vector<size_t> sizes;
  for (const std::string& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* command = nullptr;
  const int size =
      redisFormatCommandArgv(&command, static_cast<int>(words.size()), texts.data(), sizes.data());
  CHECK(size > 0);
  unsent_.append(command, static_cast<size_t>(size));
  redisFreeCommand(command);
  flush();
}

void RedisLine::flush() {
  if (!connected_ || closed_ || writing_ || unsent_.empty()) return;
  writing_ = true;
  sending_ = std::exchange(unsent_, {});
  const uv_buf_t bytes = uv_buf_init(sending_.data(), static_cast<unsigned>(sending_.size()));
  const int error =
      uv_write(&write_, reinterpret_cast<uv_stream_t*>(&tcp_), &bytes, 1, &RedisLine::on_written);
  // An error shows at the next read as well.
  if (error != 0) writing_ = false;
}

void RedisLine::on_written(uv_write_t* request, int) {
  RedisLine* const line = line_of(request->data);
  line->writing_ = false;
  line->flush();
}

void RedisLine::lose(const std::string& why) {
  if (closed_) return;
  const auto on_lost = std::exchange(actions_.on_lost, nullptr);
  close();
  on_lost(why);
}

void RedisLine::close() {
  if (std::exchange(closed_, true)) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&tcp_),
           [](uv_handle_t* closed) { delete line_of(closed->data); });
}

bool RedisLine::is_near() const {
  sockaddr_storage own{}, peer{};
  int own_size = sizeof own, peer_size = sizeof peer;
  auto* const own_address = reinterpret_cast<sockaddr*>(&own);
  auto* const peer_address = reinterpret_cast<sockaddr*>(&peer);
  if (uv_tcp_getsockname(&tcp_, own_address, &own_size) != 0) return false;
  if (uv_tcp_getpeername(&tcp_, peer_address, &peer_size) != 0) return false;
  return mrt::Path{mrt::uv::from_sockaddr(own_address), mrt::uv::from_sockaddr(peer_address)}
      .is_on_one_host();
}

}  // namespace stun::uv
