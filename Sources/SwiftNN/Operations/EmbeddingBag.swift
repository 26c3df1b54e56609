import CSwiftNN

/// y[b, :] = Σ s[i] weight[indices[i], :] over the places i of bag b, or their mean or maximum, without the rows in between. Threads: bags.
@_cdecl("snn_embedding_bag_forward") @implementation
public func snn_embedding_bag_forward(_ args: UnsafePointer<snn_embedding_bag_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.weight, "embedding_bag") == Int32(SNN_FLOAT32) {
            try embeddingBagForward(args.pointee, Float.self)
        } else {
            try embeddingBagForward(args.pointee, Double.self)
        }
    }
}

private enum BagMode {
    static let sum = 0, mean = 1, maximum = 2
}

/// The arguments that forward and backward share, their shapes checked.
private struct BagArguments<T: Element> {
    let indices: ArrayView<Int64>
    let weight: ArrayView<T>
    let offsets: ArrayView<Int64>?
    let scales: ArrayView<T>?
    let mode: Int
    let padding: Int
    let bags: Int
    let name: StaticString

    var rows: Int { weight.shape[0] }
    var width: Int { weight.shape[1] }
    /// The result's shape.
    var shape: Shape {
        var shape = Shape()
        shape.append(bags)
        shape.append(width)
        return shape
    }

    @inline(never)
    init(
        _ indices: UnsafePointer<snn_array>?, _ weight: UnsafePointer<snn_array>?, _ offsets: UnsafePointer<snn_array>?,
        _ scales: UnsafePointer<snn_array>?, mode: Int64, lastOffset: Bool, padding: Int64, _ name: StaticString
    ) throws(Failure) {
        self.name = name
        self.indices = try indexView(indices, "input", name)
        self.weight = try view(weight, "weight", name, T.self)
        self.offsets = offsets == nil ? nil : try indexView(offsets, "offsets", name)
        self.scales = try optionalView(scales, "per_sample_weights", name, T.self)
        guard self.weight.count == 2 else {
            throw Message(name).text(": weight has shape ").shape(self.weight.shape).text("; expected 2D, (num_embeddings, embedding_dim)")
                .shapeError
        }
        guard mode >= BagMode.sum && mode <= BagMode.maximum else {
            throw Message(name).text(": mode is ").number(Int(mode)).text("; expected 0 (sum), 1 (mean) or 2 (max)").valueError
        }
        guard self.scales == nil || mode == BagMode.sum else {
            throw Message(name).text(": per_sample_weights are for sums; leave them out, or take mode 0 (sum)").valueError
        }
        try require(self.scales, self.indices.shape, "per_sample_weights", name)
        self.mode = Int(mode)
        self.padding = Int(padding)
        if let offsets = self.offsets {
            guard self.indices.count == 1 && offsets.count == 1 else {
                throw Message(name).text(": input has shape ").shape(self.indices.shape).text(" and offsets ").shape(offsets.shape)
                    .text("; expected 1D and 1D, or an input (bags, places) without offsets").shapeError
            }
            guard !lastOffset || offsets.size > 0 else {
                throw Message(name).text(": offsets has no number, but the last one has to be the end of the last bag").valueError
            }
            bags = lastOffset ? offsets.size - 1 : offsets.size
        } else {
            guard self.indices.count == 2 else {
                throw Message(name).text(": input has shape ").shape(self.indices.shape)
                    .text("; expected 2D, (bags, places), or 1D with offsets").shapeError
            }
            bags = self.indices.shape[0]
        }
    }

    /// Where bag b, which begins at `start`, ends.
    func end(of b: Int, from start: Int) throws(Failure) -> Int {
        guard let offsets else { return start + indices.shape[1] }
        let total = indices.size
        if b == 0 && offsets.data[0] != 0 {
            throw Message(name).text(": offsets[0] is ").number(Int(offsets.data[0])).text("; expected 0, where the first bag starts")
                .valueError
        }
        let end = b + 1 < offsets.size ? Int(offsets.data[(b + 1) * offsets.strides[0]]) : total
        if end > total {
            throw Message(name).text(": offsets[").number(b + 1).text("] is ").number(end)
                .text("; it must not be greater than the input's length ").number(total).valueError
        }
        if end < start {
            throw Message(name).text(": offsets must not decrease, but offsets[").number(b + 1).text("] is ").number(end).text(" behind ")
                .number(start).valueError
        }
        return end
    }

    /// The error for the first of `count` indices that is no row.
    @inline(never)
    func outside(_ rowNumbers: UnsafePointer<Int64>, _ count: Int) -> Failure {
        var i = 0
        while i + 1 < count && rowNumbers[i] >= 0 && rowNumbers[i] < Int64(rows) { i += 1 }
        return Message(name).text(": input has the index ").number(Int(rowNumbers[i])).text("; expected 0 <= index < num_embeddings = ")
            .number(rows).indexError
    }
}

/// Which rows of the table the bags hold, one bag after the other, without those of padding_idx: copied, as another thread may write the
/// caller's arrays.
private struct Bags<T: Element> {
    let count: Int
    private let numbers: Scratch<Int64>
    private let factors: Scratch<T>?
    /// Of each kept place: the row, the bag, the place in the input.
    let row: UnsafeMutablePointer<Int64>
    let bag: UnsafeMutablePointer<Int64>
    let place: UnsafeMutablePointer<Int64>
    /// Where each bag's kept places end.
    let ends: UnsafeMutablePointer<Int64>
    /// Of each kept place its weight, where there are weights.
    var scale: UnsafeMutablePointer<T>? { factors?.base }

    func release() {
        numbers.release()
        factors?.release()
    }
    func places(_ bag: Int) -> Range<Int> { (bag == 0 ? 0 : Int(ends[bag - 1]))..<Int(ends[bag]) }

    /// detailed: with the bag and the place of each; else these are not there.
    init(_ a: BagArguments<T>, detailed: Bool) throws(Failure) {
        let total = a.indices.size, bags = a.bags
        numbers = try Scratch<Int64>((detailed ? 3 : 1) * total + bags + 1)
        do throws(Failure) {
            factors = a.scales == nil ? nil : try Scratch<T>(total)
        } catch {
            numbers.release()
            throw error
        }
        row = numbers.base
        bag = detailed ? row + total : row
        place = detailed ? bag + total : row
        ends = row + (detailed ? 3 : 1) * total
        copyIndices(a.indices, row)
        if let scales = a.scales, let factors { copyContiguous(scales, to: factors.base) }
        var kept = 0, end = 0
        do throws(Failure) {
            for b in 0..<bags {
                let start = end
                end = try a.end(of: b, from: start)
                if a.padding < 0 && !detailed {
                    kept = end
                } else {
                    for i in start..<end where row[i] != Int64(a.padding) || a.padding < 0 {
                        if detailed {
                            bag[kept] = Int64(b)
                            place[kept] = Int64(i)
                        }
                        row[kept] = row[i]
                        if let factors { factors.base[kept] = factors.base[i] }
                        kept += 1
                    }
                }
                ends[b] = Int64(kept)
            }
            count = kept
            var largest: UInt64 = 0
            for i in 0..<kept { largest = max(largest, UInt64(bitPattern: row[i])) }
            if kept > 0 && largest >= UInt64(a.rows) { throw a.outside(row, kept) }
        } catch {
            numbers.release()
            factors?.release()
            throw error
        }
    }
}

/// The numbers of x in C order.
private func copyIndices(_ x: ArrayView<Int64>, _ to: UnsafeMutablePointer<Int64>) {
    if x.isContiguous {
        memcpy(to, x.data, x.size * MemoryLayout<Int64>.stride)
    } else {
        for i in 0..<x.size { to[i] = x.data[x.offset(i, dims: x.count)] }
    }
}

private func embeddingBagForward<T: Element>(_ a: snn_embedding_bag_forward_args, _: T.Type) throws(Failure) {
    let given = try BagArguments<T>(
        a.indices, a.weight, a.offsets, a.per_sample_weights, mode: a.mode, lastOffset: a.include_last_offset != 0, padding: a.padding_idx,
        "embedding_bag")
    let maxima = given.mode == BagMode.maximum
    let hasY = try output(a.y, T.dtype, given.shape)
    var hasPlaces = true
    if a.places != nil {
        var shape = given.shape
        if !maxima { shape[0] = 0 }
        hasPlaces = try output(a.places, Int32(SNN_INT64), shape)
    }
    guard hasY && hasPlaces else { return }
    let bags = try Bags(given, detailed: maxima)
    defer { bags.release() }
    let table = try Matrix(given.weight, rows: given.rows, columns: given.width, contiguousRows: true)
    defer { table.release() }
    let y = a.y.pointee.data(T.self)
    let places = maxima ? a.places?.pointee.data(Int64.self) : nil
    let width = given.width
    let perTask = max(1, 16_384 * given.bags / max(bags.count &* width, 1))
    ThreadPool.run(ceilDivide(given.bags, perTask), threads: ThreadPool.threads(forWork: bags.count &* width / 2)) { task, _ in
        for bag in (task * perTask)..<min(given.bags, (task + 1) * perTask) {
            let kept = bags.places(bag)
            let to = y + bag * width
            if kept.isEmpty {
                memset(to, 0, width * MemoryLayout<T>.stride)
                if let places { memset(places + bag * width, 0xff, width * MemoryLayout<Int64>.stride) }
            } else if maxima {
                largest(table, bags.row, bags.place, kept, to, places.map { $0 + bag * width })
            } else {
                let divisor = given.mode == BagMode.mean ? kept.count : 1
                sumRows(table, bags.row + kept.lowerBound, kept.count, bags.scale.map { $0 + kept.lowerBound }, divisor: divisor, to)
            }
        }
    }
}

/// y = Σ scales[i] table[rows[i], :] / divisor
func sumRows<T: Element>(
    _ table: Matrix<T>, _ rows: UnsafePointer<Int64>, _ count: Int, _ scales: UnsafePointer<T>?, divisor: Int, _ y: UnsafeMutablePointer<T>
) {
    var call = snn_row_sum()
    call.table = UnsafeRawPointer(table.data)
    call.stride = Int64(table.rowStride)
    call.n = Int64(table.columns)
    call.rows = rows
    call.count = Int64(count)
    call.scales = UnsafeRawPointer(scales)
    call.divisor = Double(divisor)
    call.y = UnsafeMutableRawPointer(y)
    T.kernels.pointee.sum_rows(&call)
}

/// y = the maximum of table[row[i], :] for i in `kept`, and the place of the first row that has it. As PyTorch compares: a NaN that comes
/// first stays, a later one is passed over.
private func largest<T: Element>(
    _ table: Matrix<T>, _ row: UnsafePointer<Int64>, _ place: UnsafePointer<Int64>, _ kept: Range<Int>, _ y: UnsafeMutablePointer<T>,
    _ places: UnsafeMutablePointer<Int64>?
) {
    let width = table.columns
    T.kernels.pointee.copy(table.data + Int(row[kept.lowerBound]) * table.rowStride, 1, y, Int64(width))
    if let places {
        for j in 0..<width { places[j] = place[kept.lowerBound] }
    }
    for i in kept.dropFirst() {
        let from = table.data + Int(row[i]) * table.rowStride
        for j in 0..<width where from[j] > y[j] {
            y[j] = from[j]
            places?[j] = place[i]
        }
    }
}

/// dweight: row indices[i] gets s[i] dy[b, :] of the bag b of place i (mean: over the number of its places; max: where it was the first
/// largest), divided by how often the index occurs with scale_grad_by_freq. dper_sample_weights[i] = dy[b, :] · weight[indices[i], :].
/// Threads: rows of the table (max: columns), and places.
@_cdecl("snn_embedding_bag_backward") @implementation
public func snn_embedding_bag_backward(_ args: UnsafePointer<snn_embedding_bag_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.dy, "embedding_bag_backward") == Int32(SNN_FLOAT32) {
            try embeddingBagBackward(args.pointee, Float.self)
        } else {
            try embeddingBagBackward(args.pointee, Double.self)
        }
    }
}

private func embeddingBagBackward<T: Element>(_ a: snn_embedding_bag_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "embedding_bag_backward"
    let given = try BagArguments<T>(
        a.indices, a.weight, a.offsets, a.per_sample_weights, mode: a.mode, lastOffset: a.include_last_offset != 0, padding: a.padding_idx,
        name)
    let dy = try view(a.dy, "dy", name, T.self)
    try require(dy, given.shape, "dy", name)
    let maxima = given.mode == BagMode.maximum
    var places: ArrayView<Int64>?
    if maxima {
        places = try indexView(a.places, "places", name)
        try require(places, given.shape, "places", name)
    }
    var ready = true
    if a.dweight != nil { ready = try output(a.dweight, T.dtype, given.weight.shape) }
    if a.dper_sample_weights != nil {
        guard given.scales != nil else {
            throw Message(name).text(": there are no per_sample_weights whose gradient could be computed").valueError
        }
        ready = try output(a.dper_sample_weights, T.dtype, given.indices.shape) && ready
    }
    guard ready else { return }
    let bags = try Bags(given, detailed: true)
    defer { bags.release() }
    let gradient = try Matrix(dy, rows: given.bags, columns: given.width, contiguousRows: true)
    defer { gradient.release() }
    if let out = a.dweight {
        let dweight = out.pointee.data(T.self)
        if let places {
            scatterMaxima(gradient, places, given.indices, dweight, rows: given.rows)
        } else {
            var counted: Scratch<T>?
            defer { counted?.release() }
            if given.mode == BagMode.mean {
                let shares = try Scratch<T>(bags.count)
                counted = shares
                for b in 0..<given.bags {
                    let kept = bags.places(b)
                    for i in kept { shares.base[i] = 1 / T(kept.count) }
                }
            }
            try scatterRows(
                gradient, from: bags.bag, to: bags.row, bags.count, scales: counted?.base ?? bags.scale, dweight, rows: given.rows,
                byFrequency: a.scale_grad_by_freq != 0)
        }
    }
    if let out = a.dper_sample_weights {
        let dscales = out.pointee.data(T.self)
        let table = try Matrix(given.weight, rows: given.rows, columns: given.width, contiguousRows: true)
        defer { table.release() }
        memset(dscales, 0, given.indices.size * MemoryLayout<T>.stride)
        let perTask = max(1, 16_384 / max(given.width, 1))
        let work = bags.count &* given.width / 2
        ThreadPool.run(ceilDivide(bags.count, perTask), threads: ThreadPool.threads(forWork: work)) { task, _ in
            for i in (task * perTask)..<min(bags.count, (task + 1) * perTask) {
                let g = gradient.data + Int(bags.bag[i]) * gradient.rowStride
                let row = table.data + Int(bags.row[i]) * table.rowStride
                dscales[Int(bags.place[i])] = T(T.kernels.pointee.dot(g, row, Int64(given.width)))
            }
        }
    }
}

/// dweight = 0, and dweight[indices[places[b, j]], j] += dy[b, j] for one bag after the other. Threads: columns.
private func scatterMaxima<T: Element>(
    _ dy: Matrix<T>, _ places: ArrayView<Int64>, _ indices: ArrayView<Int64>, _ dweight: UnsafeMutablePointer<T>, rows: Int
) {
    let width = dy.columns, total = indices.size
    memset(dweight, 0, rows * width * MemoryLayout<T>.stride)
    let perTask = max(64, 16_384 / max(dy.rows, 1))
    let threads = ThreadPool.threads(forWork: dy.rows &* width &* 2)
    ThreadPool.run(ceilDivide(width, perTask), threads: threads) { task, _ in
        for b in 0..<dy.rows {
            for j in (task * perTask)..<min(width, (task + 1) * perTask) {
                // -1 is an empty bag's; whatever else is no place, or no row there, gets nothing.
                let place = Int(places.data[b * places.strides[0] + j * places.strides[1]])
                guard UInt(bitPattern: place) < UInt(bitPattern: total) else { continue }
                let row = Int(indices.data[indices.offset(place, dims: indices.count)])
                guard UInt(bitPattern: row) < UInt(bitPattern: rows) else { continue }
                dweight[row * width + j] += dy.data[b * dy.rowStride + j]
            }
        }
    }
}
