import CSwiftNN

/// Differentiates y = P' v, P' = dropout(P), P = softmax(scale q k^T + masks), with P recomputed from the saved logsumexp of each row:
/// dv = P'^T dy, dP = dropout(dy v^T + dweights), dS = P (dP - Σ_s P dP), dq = scale dS k, dk = scale dS^T q, dattn_mask = dS.
///
/// A block of queries at a time against all keys: P and dS of a block are the only matrices of scores, unless dattn_mask is wanted. Query
/// heads that share a key head are added up. Shapes: ops.def. Threads: images and key heads, each with its own dk and dv.
@_cdecl("snn_attention_backward") @implementation
public func snn_attention_backward(_ args: UnsafePointer<snn_attention_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.q, "attention") == Int32(SNN_FLOAT32) {
            try attentionBackward(args.pointee, Float.self)
        } else {
            try attentionBackward(args.pointee, Double.self)
        }
    }
}

private func attentionBackward<T: Element>(_ a: snn_attention_backward_args, _: T.Type) throws(Failure) {
    let q = try view(a.q, "query", "attention", T.self)
    let k = try view(a.k, "key", "attention", T.self)
    let v = try view(a.v, "value", "attention", T.self)
    try requireAttention(q.shape, k.shape, v.shape)
    let images = q.shape[0], heads = q.shape[1], queries = q.shape[2], keys = k.shape[2], width = v.shape[3]
    let full = Shape(images, heads, queries, keys)
    let mask = try AttentionMask<T>(a.attn_mask, full, keyPadding: false, "attn_mask")
    let padding = try AttentionMask<T>(a.key_padding_mask, full, keyPadding: true, "key_padding_mask")
    guard a.dropout >= 0 && a.dropout <= 1 else {
        throw Message("attention: dropout is ").number(a.dropout).text("; it has to be between 0 and 1").valueError
    }
    var dy = try view(a.dy, "dy", "attention", T.self)
    try require(dy, a.heads_last != 0 ? Shape(images, queries, heads, width) : Shape(images, heads, queries, width), "dy", "attention")
    if a.heads_last != 0 { dy = dy.swapped(1, 2) }
    var dweights = try optionalView(a.dweights, "dweights", "attention", T.self)
    try require(dweights, a.average != 0 ? Shape(images, queries, keys) : full, "dweights", "attention")
    if a.average != 0 { dweights = dweights?.inserting(at: 1) }
    let logs = try view(a.logsumexp, "logsumexp", "attention", T.self)
    try require(logs, Shape(images, heads, queries), "logsumexp", "attention")
    if a.dattn_mask != nil && mask?.values == nil {
        throw Message("attention: dattn_mask is wanted, but attn_mask is no float mask").valueError
    }

    var ready = true
    if a.dq != nil { ready = try output(a.dq, T.dtype, q.shape) && ready }
    if a.dk != nil { ready = try output(a.dk, T.dtype, k.shape) && ready }
    if a.dv != nil { ready = try output(a.dv, T.dtype, v.shape) && ready }
    if let array = a.attn_mask, a.dattn_mask != nil { ready = try output(a.dattn_mask, T.dtype, Shape(array)) && ready }
    guard ready else { return }
    let dq = a.dq?.pointee.data(T.self), dk = a.dk?.pointee.data(T.self), dv = a.dv?.pointee.data(T.self)
    let dmask = a.dattn_mask?.pointee.data(T.self)
    if full.size == 0 {
        if let dq { memset(dq, 0, q.size * MemoryLayout<T>.stride) }
        if let dk { memset(dk, 0, k.size * MemoryLayout<T>.stride) }
        if let dv { memset(dv, 0, v.size * MemoryLayout<T>.stride) }
        if let dmask { memset(dmask, 0, Shape(a.attn_mask).size * MemoryLayout<T>.stride) }
        return
    }
    // A mask that is broadcast collects from all heads.
    let all = dmask != nil ? try Scratch<T>(full.size) : nil
    defer { all?.release() }
    let forward = Attention(
        q: q, k: k, v: v, mask: mask, padding: padding, isCausal: a.is_causal != 0,
        scale: a.scale == 0 ? 1 / Double(q.shape[3]).squareRoot() : a.scale,
        dropout: a.dropout > 0 ? Dropout<T>(p: a.dropout, seed: a.seed, offset: a.offset) : nil,
        y: UnsafeMutablePointer(mutating: dy.data), rowStride: 0, headsLast: false, weights: nil, logSums: nil)
    try AttentionGradient(
        forward: forward, dy: dy, dweights: dweights, dweightsScale: a.average != 0 ? 1 / Double(heads) : 1, logSums: logs, dq: dq, dk: dk,
        dv: dv, dscores: all?.base
    ).run()
    if let all, let dmask { sumBroadcast(all.base, full, dmask, Shape(a.attn_mask), threads: forward.threads) }
}

private struct AttentionGradient<T: Element> {
    let forward: Attention<T>
    let dy: ArrayView<T>  // (B, nh, L, hdv)
    let dweights: ArrayView<T>?  // (B, nh or 1, L, S)
    let dweightsScale: Double
    let logSums: ArrayView<T>
    let dq: UnsafeMutablePointer<T>?, dk: UnsafeMutablePointer<T>?, dv: UnsafeMutablePointer<T>?
    let dscores: UnsafeMutablePointer<T>?  // (B, nh, L, S)

    func run() throws(Failure) {
        let f = forward
        let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
        let keys = f.keys, depth = f.depth, width = f.width
        // Queries of a block: the order of the sums over queries depends on it.
        let block = min(64, f.queries)
        let padded = roundUp(keys, nr)
        // A line more than a whole number of panels: rows a power of two apart would share few lines of a cache.
        let ld = padded + 64 / MemoryLayout<T>.stride
        let threads = ThreadPool.threads(forWork: f.images &* f.heads &* f.queries &* keys &* (2 * depth + width + 16) / 4)
        // Beside dv alone, everything needs dS.
        let needsScores = dq != nil || dk != nil || dscores != nil
        let packsKeys = dq != nil && (f.k.strides[3] != 1 || depth % nr != 0)
        let kc = Blocking.kc

        var size = 0
        func room(_ n: Int) -> Int {
            defer { size += roundUp(n, 16) }
            return size
        }
        let kAt = room(padded * depth), vAt = room(needsScores ? padded * width : 0)
        let rowsAt = room(packsKeys ? roundUp(depth, nr) * keys : 0)
        let dkAt = room(dk != nil ? depth * ld : 0), dvAt = room(dv != nil ? width * ld : 0)
        let pAt = room(block * ld), dsAt = room(needsScores ? block * ld : 0), droppedAt = room(f.dropout != nil ? block * ld : 0)
        let aAt = room(max(roundUp(block, mr) * max(depth, width, kc), roundUp(max(depth, width), mr) * block))
        let lineAt = room(max(keys, 16)), tileAt = room(mr * nr)
        let perWorker = size
        let scratch = try Scratch<T>(perWorker * threads)
        defer { scratch.release() }

        ThreadPool.run(f.images * f.keyHeads, threads: threads) { task, worker in
            let b = task / f.keyHeads, kh = task % f.keyHeads
            let own = scratch.base + worker * perWorker
            let kPanels = own + kAt, vPanels = own + vAt, keyRows = own + rowsAt
            let dkT = own + dkAt, dvT = own + dvAt
            let p = own + pAt, ds = own + dsAt, dropped = own + droppedAt
            let left = own + aAt, line = own + lineAt, tile = own + tileAt
            /// C (m, n) += A B or, first, = A B, over k numbers.
            func product(
                _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<T>, aPanel: Int, _ b: UnsafePointer<T>, bPanel: Int, bStride: Int,
                _ c: UnsafeMutablePointer<T>, _ ldc: Int, first: Bool, last: Bool = true
            ) {
                gemmBlock(
                    m: m, n: n, k: k, a: a, aPanel: aPanel, b: b, bPanel: bPanel, bStride: bStride, c: c, ldc: ldc, row: 0, column: 0,
                    first: first, last: last, epilogue: Epilogue(), tile: tile)
            }
            packPanels(f.keyRows(b, kh), 0, keys, 0, depth, nr, kPanels, nr * depth)
            if needsScores { packPanels(f.valueRows(b, kh), 0, keys, 0, width, nr, vPanels, nr * width) }
            if packsKeys { packPanels(f.keyRows(b, kh).transposed(depth), 0, depth, 0, keys, nr, keyRows, nr * keys) }
            if dk != nil { memset(dkT, 0, depth * ld * MemoryLayout<T>.stride) }
            if dv != nil { memset(dvT, 0, width * ld * MemoryLayout<T>.stride) }

            let perHead = f.heads / f.keyHeads
            for h in (kh * perHead)..<((kh + 1) * perHead) {
                for start in stride(from: 0, to: f.queries, by: block) {
                    if Interrupt.stops() { return }
                    let rows = min(block, f.queries - start)
                    let reach = f.isCausal ? min(keys, start + rows) : keys
                    let columns = roundUp(reach, nr)
                    let qRows = f.queryRows(b, h, start, rows)
                    let dyRows = RowMatrix(
                        dy.data + (b * dy.strides[0] + h * dy.strides[1] + start * dy.strides[2]), rows: rows, rowStride: dy.strides[2],
                        columnStride: dy.strides[3])

                    // P = exp(scale q k^T + masks - logsumexp), the scores with the bits of forward
                    packPanels(qRows, 0, rows, 0, depth, mr, left, mr * depth)
                    T.kernels.pointee.scale(left, f.scale, Int64(roundUp(rows, mr) * depth))
                    let depths = Depths(depth)
                    for d in 0..<depths.count {
                        let (k0, kb) = depths[d]
                        product(
                            rows, columns, kb, left + k0 * mr, aPanel: mr * depth, kPanels + k0 * nr, bPanel: nr * depth, bStride: nr, p,
                            ld,
                            first: d == 0, last: d == depths.count - 1)
                    }
                    for r in 0..<rows { probabilities(b, h, start + r, columns, p + r * ld, line) }
                    var weights = p
                    if let dropout = f.dropout {
                        weights = dropped
                        for r in 0..<rows {
                            dropout.apply(p + r * ld, dropped + r * ld, f.weightRow(b, h, start + r), reach)
                            memset(dropped + (r * ld + reach), 0, (columns - reach) * MemoryLayout<T>.stride)
                        }
                    }
                    if dv != nil {
                        packPanels(dyRows.transposed(width), 0, width, 0, rows, mr, left, mr * rows)
                        product(
                            width, columns, rows, left, aPanel: mr * rows, weights, bPanel: nr, bStride: ld, dvT, ld, first: false)
                    }
                    if !needsScores { continue }

                    // dS = P (dP - Σ P dP)
                    packPanels(dyRows, 0, rows, 0, width, mr, left, mr * width)
                    let widths = Depths(width)
                    for d in 0..<widths.count {
                        let (k0, kb) = widths[d]
                        product(
                            rows, columns, kb, left + k0 * mr, aPanel: mr * width, vPanels + k0 * nr, bPanel: nr * width, bStride: nr, ds,
                            ld, first: d == 0, last: d == widths.count - 1)
                    }
                    for r in 0..<rows { scoreGradient(b, h, start + r, columns, p + r * ld, ds + r * ld, line) }

                    if dk != nil {
                        packPanels(qRows.transposed(depth), 0, depth, 0, rows, mr, left, mr * rows)
                        T.kernels.pointee.scale(left, f.scale, Int64(roundUp(depth, mr) * rows))
                        product(depth, columns, rows, left, aPanel: mr * rows, ds, bPanel: nr, bStride: ld, dkT, ld, first: false)
                    }
                    guard let dq else { continue }
                    let to = dq + ((b * f.heads + h) * f.queries + start) * depth
                    let own = RowMatrix(UnsafePointer(ds), rows: rows, rowStride: ld, columnStride: 1)
                    let keyStride = packsKeys ? nr : f.k.strides[2]
                    let from = packsKeys ? UnsafePointer(keyRows) : f.k.data + (b * f.k.strides[0] + kh * f.k.strides[1])
                    for k0 in stride(from: 0, to: reach, by: kc) {
                        let kb = min(kc, reach - k0)
                        packPanels(own, 0, rows, k0, kb, mr, left, kb * mr)
                        product(
                            rows, depth, kb, left, aPanel: kb * mr, from + k0 * keyStride, bPanel: packsKeys ? nr * keys : nr,
                            bStride: keyStride, to, depth, first: k0 == 0, last: k0 + kc >= reach)
                    }
                    T.kernels.pointee.scale(to, f.scale, Int64(rows * depth))
                }
            }
            func finish(_ from: UnsafeMutablePointer<T>, _ n: Int, _ to: UnsafeMutablePointer<T>) {
                let columns = RowMatrix(UnsafePointer(from), rows: n, rowStride: ld, columnStride: 1)
                packPanels(columns, 0, n, 0, keys, n, to + task * keys * n, 0)
            }
            if let dk { finish(dkT, depth, dk) }
            if let dv { finish(dvT, width, dv) }
        }
    }

    /// A row of scores to probabilities; zeros up to `columns` where the query may not look.
    private func probabilities(
        _ b: Int, _ h: Int, _ l: Int, _ columns: Int, _ row: UnsafeMutablePointer<T>, _ line: UnsafeMutablePointer<T>
    ) {
        let allowed = forward.isCausal ? min(forward.keys, l + 1) : forward.keys
        forward.mask?.apply(row, b, h, l, allowed, line)
        forward.padding?.apply(row, b, h, l, allowed, line)
        var shift = logSums.data[b * logSums.strides[0] + h * logSums.strides[1] + l * logSums.strides[2]]
        if shift == -.infinity {
            memset(row, 0, columns * MemoryLayout<T>.stride)
            return
        }
        var one: T = 1
        withUnsafePointer(to: &shift) { shift in
            withUnsafePointer(to: &one) { one in
                var e = snn_exp_row(x: row, n: Int64(allowed), shift: shift, scale: one, less: nil, w: nil, each: 0, y: row)
                T.kernels.pointee.exp_row(&e)
            }
        }
        memset(row + allowed, 0, (columns - allowed) * MemoryLayout<T>.stride)
    }

    /// A row of dy v^T to dS.
    private func scoreGradient(
        _ b: Int, _ h: Int, _ l: Int, _ columns: Int, _ p: UnsafePointer<T>, _ row: UnsafeMutablePointer<T>, _ line: UnsafeMutablePointer<T>
    ) {
        let allowed = forward.isCausal ? min(forward.keys, l + 1) : forward.keys
        let flat = forward.weightRow(b, h, l)
        if let dweights {
            let at = b * dweights.strides[0] + (dweights.shape[1] == 1 ? 0 : h) * dweights.strides[1] + l * dweights.strides[2]
            T.kernels.pointee.copy(dweights.data + at, Int64(dweights.strides[3]), line, Int64(allowed))
            if dweightsScale != 1 { T.kernels.pointee.scale(line, dweightsScale, Int64(allowed)) }
            T.kernels.pointee.add(line, row, row, Int64(allowed))
        }
        forward.dropout?.apply(row, row, flat, allowed)
        T.kernels.pointee.softmax_backward(row, p, row, Int64(allowed), 0)
        memset(row + allowed, 0, (columns - allowed) * MemoryLayout<T>.stride)
        guard let dscores else { return }
        T.kernels.pointee.copy(row, 1, dscores + flat, Int64(allowed))
        memset(dscores + (flat + allowed), 0, (forward.keys - allowed) * MemoryLayout<T>.stride)
    }
}

/// y = the sums of x (B, nh, L, S) over the dimensions that `shape`, which broadcasts to it, does not have or has with size 1; in C order.
/// Threads: rows of y.
private func sumBroadcast<T: Element>(_ x: UnsafePointer<T>, _ full: Shape, _ y: UnsafeMutablePointer<T>, _ shape: Shape, threads: Int) {
    var own = Shape()
    for i in 0..<4 { own.append(i < 4 - shape.count ? 1 : shape[i - 4 + shape.count]) }
    let n = full[3]
    let images = own[0] == 1 ? full[0] : 1, heads = own[1] == 1 ? full[1] : 1, queries = own[2] == 1 ? full[2] : 1
    ThreadPool.run(own[0] * own[1] * own[2], threads: threads) { row, _ in
        let to = y + row * own[3]
        let l0 = row % own[2], h0 = row / own[2] % own[1], b0 = row / own[2] / own[1]
        memset(to, 0, own[3] * MemoryLayout<T>.stride)
        for b in b0..<(b0 + images) {
            for h in h0..<(h0 + heads) {
                for l in l0..<(l0 + queries) {
                    let from = x + ((b * full[1] + h) * full[2] + l) * n
                    if own[3] == n {
                        T.kernels.pointee.add(from, to, to, Int64(n))
                    } else {
                        to[0] += T(T.kernels.pointee.sum(from, Int64(n)))
                    }
                }
            }
        }
    }
}
