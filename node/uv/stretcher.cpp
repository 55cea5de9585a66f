// SPDX-License-Identifier: MIT
#include "node/uv/stretcher.h"

#include <utility>

#include "mrt/base/check.h"
#include "mrt/base/secret.h"

namespace node::uv {

struct Stretcher::Job {
  Job(std::string job_network, mrt::Bytes job_password)
      : network(std::move(job_network)), password(std::move(job_password)) {}
  ~Job() { mrt::wipe(password); }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  uv_work_t work{};
  Stretcher* owner = nullptr;  // none once it has gone
  std::string network;
  mrt::Bytes password;
  std::optional<stun::RendezvousSeed> seed;
};

Stretcher::Stretcher(uv_loop_t* loop, OnStretched on_stretched)
    : loop_(loop), on_stretched_(std::move(on_stretched)) {}

Stretcher::~Stretcher() {
  if (running_ != nullptr) running_->owner = nullptr;
}

void Stretcher::stretch(std::string network, mrt::Bytes password) {
  next_ = std::make_unique<Job>(std::move(network), std::move(password));
  if (running_ == nullptr) begin();
}

void Stretcher::begin() {
  running_ = next_.release();
  running_->owner = this;
  running_->work.data = running_;
  const auto work = [](uv_work_t* one) {
    Job& job = *static_cast<Job*>(one->data);
    job.seed = stun::stretched_rendezvous_seed(job.network, job.password);
  };
  const auto after = [](uv_work_t* one, int) {
    const std::unique_ptr<Job> job(static_cast<Job*>(one->data));
    if (job->owner != nullptr) job->owner->on_done(*job);
  };
  CHECK(uv_queue_work(loop_, &running_->work, work, after) == 0);
}

void Stretcher::on_done(const Job& job) {
  running_ = nullptr;
  if (next_) return begin();
  on_stretched_(job.seed);
}

}  // namespace node::uv
