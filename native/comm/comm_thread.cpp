#include <thread>
#include <utility>

#include "comm/communicator.h"

namespace bandlift {

CommThread::CommThread() : queue_(std::make_shared<Queue>()) {
  std::thread([queue = queue_] {
    for (;;) {
      std::function<void()> work;
      {
        std::unique_lock lock(queue->mutex);
        queue->wake.wait(lock, [&] { return queue->closing || !queue->work.empty(); });
        if (queue->work.empty()) return;
        work = std::move(queue->work.front());
        queue->work.pop_front();
      }
      work();
    }
  }).detach();
}

CommThread::~CommThread() {
  std::lock_guard lock(queue_->mutex);
  queue_->closing = true;
  queue_->wake.notify_one();
}

void CommThread::submit(std::function<void()> work) {
  std::lock_guard lock(queue_->mutex);
  queue_->work.push_back(std::move(work));
  queue_->wake.notify_one();
}

}  // namespace bandlift
