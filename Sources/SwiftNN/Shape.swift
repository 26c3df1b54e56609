// Shapes and strided views of arrays that belong to the caller.
import CSwiftNN

/// Up to SNN_MAX_DIMS sizes.
struct Shape: Equatable {
    private(set) var count = 0
    private var sizes = InlineArray<8, Int>(repeating: 0)

    init() {}
    init(_ a: Int) { append(a) }
    init(_ a: Int, _ b: Int) {
        append(a)
        append(b)
    }
    init(_ a: Int, _ b: Int, _ c: Int) {
        self.init(a, b)
        append(c)
    }
    init(_ a: Int, _ b: Int, _ c: Int, _ d: Int) {
        self.init(a, b, c)
        append(d)
    }
    init(_ array: UnsafePointer<snn_array>) {
        let shape = snn_shape(array).unsafelyUnwrapped
        for i in 0..<Int(array.pointee.ndim) { append(Int(shape[i])) }
    }

    subscript(i: Int) -> Int {
        get { sizes[i] }
        set { sizes[i] = newValue }
    }
    mutating func append(_ size: Int) {
        sizes[count] = size
        count += 1
    }
    /// The sizes i ..< j.
    func slice(_ i: Int, _ j: Int) -> Shape {
        var part = Shape()
        for k in i..<max(i, j) { part.append(sizes[k]) }
        return part
    }
    /// The number of elements; nil where it does not fit.
    var checkedSize: Int? {
        var n = 1
        var overflowed = false
        for i in 0..<count {
            if sizes[i] == 0 { return 0 }
            let (product, overflow) = n.multipliedReportingOverflow(by: sizes[i])
            n = product
            overflowed = overflowed || overflow
        }
        return overflowed ? nil : n
    }
    /// The number of elements of a shape that an array has.
    var size: Int {
        var n = 1
        for i in 0..<count { n &*= sizes[i] }
        return n
    }
    static func == (a: Shape, b: Shape) -> Bool {
        if a.count != b.count { return false }
        for i in 0..<a.count where a.sizes[i] != b.sizes[i] { return false }
        return true
    }
}

/// A strided array of T; strides count elements.
struct ArrayView<T> {
    let data: UnsafePointer<T>
    private(set) var shape: Shape
    private(set) var strides: Shape

    init(data: UnsafePointer<T>, shape: Shape, strides: Shape) {
        self.data = data
        self.shape = shape
        self.strides = strides
    }
    /// C order.
    init(data: UnsafePointer<T>, shape: Shape) {
        var strides = shape
        var step = 1
        for i in stride(from: shape.count - 1, through: 0, by: -1) {
            strides[i] = step
            step &*= shape[i]
        }
        self.init(data: data, shape: shape, strides: strides)
    }
    init(_ array: UnsafePointer<snn_array>) {
        let strides = snn_strides(array).unsafelyUnwrapped
        var elements = Shape()
        for i in 0..<Int(array.pointee.ndim) { elements.append(Int(strides[i]) / MemoryLayout<T>.stride) }
        // An empty array may come without memory; nothing is read from it.
        let data = array.pointee.data ?? UnsafeMutableRawPointer(bitPattern: 64).unsafelyUnwrapped
        self.init(data: UnsafePointer(data.assumingMemoryBound(to: T.self)), shape: Shape(array), strides: elements)
    }

    var count: Int { shape.count }
    var size: Int { shape.size }

    var isContiguous: Bool {
        var step = 1
        for i in stride(from: shape.count - 1, through: 0, by: -1) {
            if shape[i] == 0 { return true }
            if shape[i] != 1 && strides[i] != step { return false }
            step &*= shape[i]
        }
        return true
    }
    /// Entries first ..< first + n of the first dimension.
    func rows(_ first: Int, _ n: Int) -> ArrayView {
        var part = ArrayView(data: data + first * strides[0], shape: shape, strides: strides)
        part.shape[0] = n
        return part
    }
    /// The same elements with a dimension of size 1 put in at i.
    func inserting(at i: Int) -> ArrayView {
        var newShape = Shape()
        var newStrides = Shape()
        for k in 0...shape.count {
            if k == i {
                newShape.append(1)
                newStrides.append(0)
            }
            if k < shape.count {
                newShape.append(shape[k])
                newStrides.append(strides[k])
            }
        }
        return ArrayView(data: data, shape: newShape, strides: newStrides)
    }
    /// The view with as few dimensions as its strides allow: neighbours that lie in one run are merged, sizes of 1 dropped.
    func collapsed() -> ArrayView {
        var newShape = Shape()
        var newStrides = Shape()
        for i in 0..<shape.count {
            if shape[i] == 1 { continue }
            let last = newShape.count - 1
            if last >= 0 && newStrides[last] == strides[i] &* shape[i] {
                newShape[last] = newShape[last] &* shape[i]
                newStrides[last] = strides[i]
            } else {
                newShape.append(shape[i])
                newStrides.append(strides[i])
            }
        }
        return ArrayView(data: data, shape: newShape, strides: newStrides)
    }
    /// The offset of the flat index `row` over the first `dims` dimensions.
    @inline(__always)
    func offset(_ row: Int, dims: Int) -> Int {
        var rest = row
        var at = 0
        var i = dims - 1
        while i >= 0 {
            at &+= (rest % shape[i]) &* strides[i]
            rest /= shape[i]
            i -= 1
        }
        return at
    }
}

/// Whether `array` has memory to compute into. Without, fills in its type, shape and C strides (the shape query of swiftnn.h).
func output(_ array: UnsafeMutablePointer<snn_array>?, _ dtype: Int32, _ shape: Shape) throws(Failure) -> Bool {
    guard let array else { throw Message("an output of the operation is NULL").valueError }
    let itemSize = Int(snn_itemsize(dtype))
    guard let size = shape.checkedSize, !size.multipliedReportingOverflow(by: itemSize).overflow else {
        throw Message("the result's shape ").shape(shape).text(" has more elements than memory can hold").shapeError
    }
    if array.pointee.data != nil {
        guard
            array.pointee.dtype == dtype && array.pointee.ndim == Int32(shape.count) && Shape(UnsafePointer(array)) == shape
                && ArrayView<UInt8>.isC(array, itemSize)
        else {
            throw Message("the output array is not what the shape query asked for: C-contiguous ").dtype(dtype).text(" of shape ")
                .shape(shape).valueError
        }
        return true
    }
    array.pointee.dtype = dtype
    array.pointee.ndim = Int32(shape.count)
    let sizes = snn_shape_mutable(array).unsafelyUnwrapped
    let strides = snn_strides_mutable(array).unsafelyUnwrapped
    var step = itemSize
    for i in stride(from: shape.count - 1, through: 0, by: -1) {
        sizes[i] = Int64(shape[i])
        strides[i] = Int64(step)
        step &*= max(shape[i], 1)
    }
    return false
}

extension ArrayView where T == UInt8 {
    /// C-contiguous, strides in bytes.
    fileprivate static func isC(_ array: UnsafeMutablePointer<snn_array>, _ itemSize: Int) -> Bool {
        let strides = snn_strides(UnsafePointer(array)).unsafelyUnwrapped
        let shape = Shape(UnsafePointer(array))
        if shape.size == 0 { return true }
        var step = itemSize
        for i in Swift.stride(from: shape.count - 1, through: 0, by: -1) {
            if shape[i] != 1 && Int(strides[i]) != step { return false }
            step &*= shape[i]
        }
        return true
    }
}
