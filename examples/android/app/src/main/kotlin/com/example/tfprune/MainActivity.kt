package com.example.tfprune

import android.app.Activity
import android.os.Build
import android.os.Bundle
import android.util.Log
import android.widget.TextView
import kotlin.concurrent.thread

/** Loads the exported model, runs it, and says how long that takes and what it sees. */
class MainActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val view = TextView(this)
        view.textSize = 18f
        view.setPadding(48, 96, 48, 48)
        view.text = "running…"
        setContentView(view)
        thread {
            val told = try {
                measured()
            } catch (error: Exception) {
                "failed: $error"
            }
            Log.i(TAG, told)
            runOnUiThread { view.text = told }
        }
    }

    private fun measured(): String = Classifier(this).use { classifier ->
        val values = sample(Classifier.INPUT_SIZES[0])
        repeat(WARM_UP) { classifier.classify(values) }
        val times = DoubleArray(RUNS) {
            val begin = System.nanoTime()
            classifier.classify(values)
            (System.nanoTime() - begin) / 1e6
        }
        times.sort()
        val top = classifier.classify(values)
        val (median, p90) = listOf(times[RUNS / 2], times[RUNS * 9 / 10])
        listOf(
            "${Build.MODEL}, CPU, $RUNS runs",
            "median %.3f ms, p90 %.3f ms".format(median, p90),
            "top class: ${top.label} (%.3f)".format(top.score),
        ).joinToString("\n")
    }

    /** Returns the image that comes along, values from 0 to 255; zeros for a model that takes something else. */
    private fun sample(size: Int): FloatArray {
        val bytes = assets.open("sample.bin").use { it.readBytes() }
        return if (bytes.size == size) FloatArray(size) { (bytes[it].toInt() and 0xFF).toFloat() } else FloatArray(size)
    }

    private companion object {
        const val TAG = "tfprune"
        const val WARM_UP = 10
        const val RUNS = 50
    }
}
