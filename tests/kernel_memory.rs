//! The most memory that training allocates above its inputs and gradients, counted by the allocator of this program: no
//! resident set, no page, nothing that depends on the system.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use burn::tensor::DType;
use burn_flex::{Flex, FlexDevice};
use osler::measure::memory::{self, GrpoLoss, Sizes};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The system's allocator, which counts.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::SeqCst) + bytes;
    PEAK.fetch_max(now, Ordering::SeqCst);
}

// SAFETY: every call is passed on as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new are both there while the old one is copied.
        grown(size);
        NOW.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// On the CPU in f32.
fn attention(tokens: usize, heads: usize, head_dim: usize, plain: bool) -> Sizes {
    memory::attention::<Flex>([tokens, heads, head_dim], plain, &FlexDevice)
}

/// With the head in `dtype`.
fn grpo_loss(
    rows: usize,
    width: usize,
    vocab: usize,
    compared: bool,
    rank: Option<usize>,
    dtype: DType,
) -> Sizes {
    let (dims, dtypes) = ([rows, width, vocab], [DType::F32, dtype]);
    memory::grpo_loss::<Flex>(&GrpoLoss { dims, dtypes, compared, rank, plain: false }, &FlexDevice)
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tests of one program run side by side; the count is of all of them.
static ALONE: Mutex<()> = Mutex::new(());

/// Two threads, as scratch is one each. They have what they keep for good.
static THREADS: LazyLock<ThreadPool> = LazyLock::new(|| {
    let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    pool.install(|| {
        attention(512, 2, 64, false);
        grpo_loss(1024, 64, 512, true, Some(4), DType::F32);
    });
    pool
});

/// Bytes above inputs and gradients at the peak of `work`.
fn above(work: impl FnOnce() -> Sizes + Send) -> usize {
    THREADS.install(|| {
        let before = NOW.load(Ordering::SeqCst);
        PEAK.store(before, Ordering::SeqCst);
        let Sizes { inputs_bytes, gradients_bytes } = work();
        let there = before + (inputs_bytes + gradients_bytes) as usize;
        let peak = PEAK.load(Ordering::SeqCst);
        assert!(peak >= there, "{peak} is less than what was held at the end, {there}");
        peak - there
    })
}

#[test]
fn attention_takes_a_twentieth_of_materialised_scores_and_grows_with_the_tokens() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (heads, head_dim, tokens) = (2, 64, 4096);
    let own = above(|| attention(tokens, heads, head_dim, false));
    let plain = above(|| attention(tokens, heads, head_dim, true));
    let scores = heads * tokens * tokens * size_of::<f32>();
    // The probabilities and their gradient: no materialised version does without.
    assert!(plain >= 2 * scores, "{plain} bytes are no two matrices of {scores}");
    assert!(own * 20 < plain, "{own} bytes are not below a twentieth of {plain}");
    let half = above(|| attention(tokens / 2, heads, head_dim, false));
    // Four times as many would grow with the scores.
    assert!(own < 3 * half, "{own} bytes at {tokens} tokens, {half} at half as many");
}

#[test]
fn the_grpo_loss_stays_below_its_bound_whatever_the_number_of_tokens() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (width, vocab) = (64, 32_768);
    // With a reference there is a part of its logits, too; with an adapter, while logits are made, what it adds to the part.
    let ways = [(false, None, 200_000_000), (true, None, 270_000_000), (false, Some(16), 200_000_000)];
    for (compared, rank, most) in ways {
        let loss = |rows| grpo_loss(rows, width, vocab, compared, rank, DType::F32);
        let [few, many] = [1024, 4096].map(|rows| above(|| loss(rows)));
        let logits = 4096 * vocab * size_of::<f32>();
        assert!(many < most && most < logits, "{many} bytes; all logits are {logits}");
        // What grows: the gradient of the hidden rows in its parts and joined, targets and log-probs.
        let rows = 3072 * (width + 16) * size_of::<f32>();
        assert!(many <= few + 2 * rows, "{few} bytes for 1024 tokens, {many} for 4096");
    }
}

/// A copy in f32 would take more than half of the bound, and making it as much again.
#[test]
fn a_head_of_bf16_is_never_held_in_f32() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (rows, width, vocab) = (256, 896, 32_768);
    let copy = vocab * width * size_of::<f32>();
    for rank in [None, Some(16)] {
        let loss = |dtype| above(|| grpo_loss(rows, width, vocab, false, rank, dtype));
        let [single, half] = [DType::F32, DType::BF16].map(loss);
        assert!(half < 200_000_000, "{half} bytes");
        assert!(half < single + copy / 2, "{half} bytes with bf16, {single} with f32; a copy is {copy}");
    }
}
