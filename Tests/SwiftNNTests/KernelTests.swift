// What all levels have in common: which there are, and that every entry of the table has a test.
import CSwiftNN
import Testing

extension AllTests {
    @Suite struct KernelTests {
        @Test func everyLevelOfTheCPUIsAvailable() throws {
            guard let promised = Level.promised else { return }
            #expect(Level.available.map(\.name) == promised, "snn_isa_available() is \(snn_isa_available())")
        }

        @Test func theLevelInUseIsAvailable() {
            #expect(Level.available.map(\.name).contains(String(cString: snn_isa())))
        }

        /// The entries that the Kernel...Tests beside this file call.
        @Test func everyEntryHasATest() throws {
            let entries = Mirror(reflecting: snn_kernels()).children.compactMap(\.label)
            let tested = [
                "mr", "nr", "wide_columns", "lanes", "strip_vectors", "gemm_block", "small_product", "pack", "im2col", "pad",
                "winograd_input",
                "winograd_product",
                "winograd_output", "winograd_filter", "winograd_turn", "winograd_gradient",
                "winograd_outer", "winograd_filter_gradient", "winograd_line", "winograd_line_product", "depthwise", "depthwise_gradient",
                "copy", "copy_rows", "transpose", "unary", "stream",
                "unary_backward", "add", "combine", "add_rows", "scale_shift", "dot", "sum", "moments", "mean_square", "normalize",
                "normalize_backward", "centered_sums", "affine", "column_sums", "sum_rows", "negative_dot", "softmax",
                "softmax_backward",
                "softmax_columns", "softmax_columns_backward", "mask_add", "mask_block", "scale", "multiply_adds", "pack_strips",
                "recurrent",
                "recurrent_backward",
                "max_pool", "max_pool_pairs", "avg_pool", "adaptive_avg_pool", "log_sum_exp", "log_sum_exp_columns", "exp_row", "multiply",
                "pointwise_loss", "ctc_step", "optimizer_step", "absolutes", "dropout", "look", "sample",
                "correlate", "scatter", "random_words",
            ]
            #expect(entries == tested)
        }

        @Test func multiplyAddsSettle() {
            // Every lane of the twelve vectors has come to 2.
            for kernels in Float.kernels { #expect(kernels.table.multiply_adds(100) == Double(12 * kernels.nr), "\(kernels.name)") }
            for kernels in Double.kernels { #expect(kernels.table.multiply_adds(100) == Double(12 * kernels.nr), "\(kernels.name)") }
        }

        @Test func tilesFitTheBlocking() {
            // Gemm.swift: mc is a multiple of every mr, nc of every 4 nr
            for kernels in Float.kernels { #expect(96 % kernels.mr == 0 && 512 % (4 * kernels.nr) == 0, "\(kernels.name)") }
            for kernels in Double.kernels { #expect(96 % kernels.mr == 0 && 512 % (4 * kernels.nr) == 0, "\(kernels.name)") }
        }
    }
}
